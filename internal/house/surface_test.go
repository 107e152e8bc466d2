package house_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/token"
	"os"
	"path"
	"sort"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write surface.txt again")

// TestSurface keeps the number of exported names of each package in sight: a
// package that opens itself further shows in the diff of surface.txt.
func TestSurface(t *testing.T) {
	counts := map[string]int{}
	eachFile(t, func(file string, _ *token.FileSet, f *ast.File) {
		if strings.HasSuffix(file, "_test.go") || !strings.HasPrefix(file, "internal/") || strings.HasPrefix(file, "internal/app/") {
			return
		}
		counts[strings.TrimPrefix(path.Dir(file), "internal/")] += exported(f)
	})
	var lines []string
	for dir, n := range counts {
		if n > 0 {
			lines = append(lines, fmt.Sprintf("%s %d\n", dir, n))
		}
	}
	sort.Strings(lines)
	got := "# Exported top-level names of each package; `go test ./internal/house -update` writes it.\n" + strings.Join(lines, "")
	if *update {
		if err := os.WriteFile("surface.txt", []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile("surface.txt")
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the exported surface has changed; if it is meant, run with -update\ngot:\n%s", got)
	}
	if n := counts["expr"]; n > 25 {
		t.Errorf("expr exports %d names, at most 25: it is a library of its own", n)
	}
}

// exported counts exported types, functions, constants and variables. Methods
// and fields come with their types.
func exported(f *ast.File) int {
	n := 0
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil && d.Name.IsExported() {
				n++
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					if s.Name.IsExported() {
						n++
					}
				case *ast.ValueSpec:
					for _, name := range s.Names {
						if name.IsExported() {
							n++
						}
					}
				}
			}
		}
	}
	return n
}
