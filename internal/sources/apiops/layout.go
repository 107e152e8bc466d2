package apiops

import (
	"path"
	"strings"

	"sallyport/internal/diag"
)

// kind is one top-level folder of the layout.
type kind struct {
	folder string
	read   func(l *loader, folder string)
}

// layout lists the top-level folders in reading order: what others refer to
// comes first only for the sake of findings, nothing depends on the order.
func layout() []kind {
	return []kind{
		{"named values", (*loader).readNamedValues},
		{"version sets", (*loader).readVersionSets},
		{"backends", (*loader).readBackends},
		{"policy fragments", (*loader).readFragments},
		{"groups", (*loader).readGroups},
		{"loggers", (*loader).readLoggers},
		{"diagnostics", (*loader).readDiagnostics},
		{"apis", (*loader).readAPIs},
		{"products", (*loader).readProducts},
		{"tags", (*loader).readTags},
		{"gateways", (*loader).readGateways},
		{"subscriptions", (*loader).readSubscriptions},
		{"workspaces", (*loader).readWorkspaces},
	}
}

func (l *loader) readRoot() {
	root := l.open(".", "")
	l.snap.Policy = l.policy(root, l.over.top("policies"), "policies/policy", nil)
	for _, k := range layout() {
		if dir := root.dir(k.folder); dir != "" {
			k.read(l, dir)
		}
	}
	for name, isDir := range root.entries {
		if !isDir && isOverrideName(name) {
			delete(root.entries, name)
			if !l.appliesOverride(name) {
				l.out.Add(diag.SourceNoOverride, diag.Pos{File: l.shown(name)}, "", "'%s' is not applied: it is not named as an override file", name)
			}
		}
	}
	root.rest()
}

// isOverrideName recognises configuration.<environment>.yaml and the
// extractor's own configuration file.
func isOverrideName(name string) bool {
	ext := path.Ext(name)
	return strings.HasPrefix(name, "configuration.") && (ext == ".yaml" || ext == ".yml")
}

func (l *loader) appliesOverride(name string) bool {
	for _, o := range l.opts.Overrides {
		if path.Clean(o) == name || l.shown(name) == o {
			return true
		}
	}
	return false
}
