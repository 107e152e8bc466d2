// Package apiops reads a configuration folder in the layout of Azure APIOps
// (v7, and the differences of v3 to v6) with its override files.
// It knows nothing of compiled policies or of how a configuration is served.
// Start at Load; layout.go lists the folders, one file per kind reads them.
package apiops

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"sallyport/internal/diag"
	"sallyport/internal/model"
)

// Options of Load. The zero value reads the folder as it is.
type Options struct {
	// Overrides are configuration.<environment>.yaml files, later ones winning:
	// file system paths for Load, names inside the file system for LoadFS.
	Overrides []string
	// Tokens gives the values of {#NAME#} tokens in override files.
	Tokens func(name string) (string, bool)
	// ServiceName wins over apimServiceName of the override files.
	ServiceName string
	// Cache makes loads that follow one another cheap; nil = none.
	Cache *Cache
}

// Load reads the configuration in folder dir. The snapshot is complete only
// when the findings hold no error; model.Validate has yet to be asked.
func Load(dir string, opts Options) (*model.Snapshot, diag.List, Listing) {
	l := newLoader(os.DirFS(dir), opts)
	l.root = dir
	l.readOverride = func(name string) ([]byte, error) {
		l.dirs[filepath.Dir(name)] = true
		return readLimited(func() (fs.File, error) { return os.Open(name) })
	}
	return l.run()
}

// LoadFS is Load for a file system; positions carry its plain names.
func LoadFS(fsys fs.FS, opts Options) (*model.Snapshot, diag.List, Listing) {
	l := newLoader(fsys, opts)
	l.readOverride = func(name string) ([]byte, error) {
		l.dirs[path.Dir(name)] = true
		return readLimited(func() (fs.File, error) { return fsys.Open(name) })
	}
	return l.run()
}

// loader carries one run of Load.
type loader struct {
	fs           fs.FS
	root         string // shown before names in positions; "" for LoadFS
	opts         Options
	readOverride func(name string) ([]byte, error)
	snap         *model.Snapshot
	out          diag.List
	over         *overrides
	files        map[string]bool     // as shown in findings
	dirs         map[string]bool     // as shown in findings
	ids          map[string][]string // ids found, by kind; for did-you-mean
	sums         map[*model.API]*sum // content of each API
	converted    map[specKey]*conversion
}

func newLoader(fsys fs.FS, opts Options) *loader {
	if opts.Tokens == nil {
		opts.Tokens = func(string) (string, bool) { return "", false }
	}
	return &loader{
		fs: fsys, opts: opts, snap: &model.Snapshot{},
		files: map[string]bool{}, dirs: map[string]bool{}, ids: map[string][]string{}, sums: map[*model.API]*sum{}, converted: map[specKey]*conversion{},
	}
}

func (l *loader) run() (*model.Snapshot, diag.List, Listing) {
	l.readOverrides()
	l.snap.ServiceName = l.opts.ServiceName
	if l.snap.ServiceName == "" {
		l.snap.ServiceName = l.over.serviceName
	}
	l.readRoot()
	l.finishAPIs()
	l.settleReferences()
	l.reportUnusedOverrides()
	l.opts.Cache.keep(l.converted)
	l.out.Sort()
	return l.snap, l.out, l.listing()
}
