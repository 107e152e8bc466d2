package house_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

const (
	maxFileLines = 500
	maxFuncLines = 60
)

// longer lists what may be longer, with the reason.
var longer = map[string]string{}

// eachFile parses every Go file of the repository.
func eachFile(t *testing.T, visit func(path string, fset *token.FileSet, f *ast.File)) {
	t.Helper()
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules" || d.Name() == "testdata") {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") {
			return nil
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		visit(filepath.ToSlash(rel), fset, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestFilesAndFunctionsStayShort(t *testing.T) {
	eachFile(t, func(path string, fset *token.FileSet, f *ast.File) {
		if n := fset.Position(f.FileEnd).Line; n > maxFileLines && longer[path] == "" {
			t.Errorf("%s has %d lines, at most %d: split it by what it knows", path, n, maxFileLines)
		}
		if strings.HasSuffix(path, "_test.go") {
			return // tables may be long
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			n := fset.Position(fn.End()).Line - fset.Position(fn.Pos()).Line + 1
			if name := path + ":" + fn.Name.Name; n > maxFuncLines && longer[name] == "" {
				t.Errorf("%s has %d lines, at most %d", name, n, maxFuncLines)
			}
		}
	})
}

func TestPackagesAreDocumented(t *testing.T) {
	documented, all := map[string]bool{}, map[string]bool{}
	eachFile(t, func(path string, _ *token.FileSet, f *ast.File) {
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		dir := filepath.Dir(path)
		all[dir] = true
		if f.Doc != nil && len(strings.Fields(f.Doc.Text())) >= 12 {
			documented[dir] = true
		}
	})
	for dir := range all {
		if !documented[dir] {
			t.Errorf("package %s has no package comment of substance", dir)
		}
	}
}

func TestNoInitAndNoGlobalState(t *testing.T) {
	eachFile(t, func(path string, _ *token.FileSet, f *ast.File) {
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Name.Name == "init" && fn.Recv == nil {
				t.Errorf("%s has an init function", path)
			}
		}
	})
}
