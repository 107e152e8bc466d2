package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// fleet is the file of targets. A pidfile is relative to that file.
type fleet struct {
	Mock struct {
		Control string `json:"control"`
		process
	} `json:"mock"`
	Targets []target `json:"targets"`
}

type process struct {
	PIDs    []int  `json:"pids"`
	PIDFile string `json:"pidfile"`
}

type target struct {
	Name    string            `json:"name"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
	process
	Model string   `json:"model"`
	Cases []string `json:"cases"` // only these, when set
	Skip  []string `json:"skip"`
	Notes string   `json:"notes"`
}

func (t *target) takes(name string) bool {
	return !slices.Contains(t.Skip, name) && (len(t.Cases) == 0 || slices.Contains(t.Cases, name))
}

// readFleet reads the targets, those of only (comma separated, "" = all).
func readFleet(file, only string) (*fleet, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read targets: %w", err)
	}
	var f fleet
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, fmt.Errorf("read targets of %s: %w", file, err)
	}
	dir := filepath.Dir(file)
	if err := f.Mock.find(dir); err != nil {
		return nil, err
	}
	if only != "" {
		names := strings.Split(only, ",")
		f.Targets = slices.DeleteFunc(f.Targets, func(t target) bool { return !slices.Contains(names, t.Name) })
	}
	for i := range f.Targets {
		if err := f.Targets[i].find(dir); err != nil {
			return nil, err
		}
	}
	return &f, nil
}

// find adds the process ids of the pidfile.
func (p *process) find(dir string) error {
	if p.PIDFile == "" {
		return nil
	}
	name := p.PIDFile
	if !filepath.IsAbs(name) {
		name = filepath.Join(dir, name)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("read process ids: %w", err)
	}
	for s := range strings.FieldsSeq(string(b)) {
		n, err := strconv.Atoi(s)
		if err != nil {
			return fmt.Errorf("read process ids of %s: %w", name, err)
		}
		p.PIDs = append(p.PIDs, n)
	}
	return nil
}
