// Package pavise_test holds the rules of this repository that a program can
// check: what may import what, what a consumer is made to download, and what
// the documentation promises. There is no package at the root.
package pavise_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/pavise/pavise"

// requirements are the only direct requirements of the root module. A line
// more moves versions in the builds of everybody who imports one package.
var requirements = []string{
	"github.com/go-playground/validator/v10",
	"github.com/microcosm-cc/bluemonday",
	"golang.org/x/crypto",
	"golang.org/x/net",
	"golang.org/x/text",
}

// rooms says what each folder may import beside the standard library. The
// longest matching folder counts; "." stands for the folder itself and what
// lies beneath it. Arrows point only to lower floors.
var rooms = map[string][]string{
	"secrets":             {"."},
	"ratelimit":           {"."},
	"sanitize":            {".", "github.com/microcosm-cc/bluemonday", "golang.org/x/net/html"},
	"sanitize/text":       {".", "golang.org/x/text"},
	"sanitize/headers":    {"."},
	"validate":            {".", module + "/sanitize/text", "github.com/go-playground/validator/v10", "golang.org/x/text"},
	"crypto":              {".", module + "/secrets"},
	"crypto/column":       {".", module + "/crypto", module + "/secrets"},
	"crypto/password":     {".", module + "/secrets", "golang.org/x/crypto"},
	"session":             {".", module + "/crypto", module + "/secrets"},
	"session/authz":       {".", module + "/session"},
	"session/sessiontest": {module + "/session"},
	"examples":            {module},
	"":                    {},
}

func TestImportsPointDown(t *testing.T) {
	for _, p := range packages(t) {
		allowed := roomOf(p.dir)
		for _, f := range p.files {
			for _, spec := range f.ast.Imports {
				imported, _ := strconv.Unquote(spec.Path.Value)
				if !isStandard(imported) && !within(imported, allowed) && !(f.test && within(imported, requirements)) && !(f.test && within(imported, []string{module + "/" + p.dir})) {
					t.Errorf("%s imports %s: this floor may import the standard library and %v", f.name, imported, allowed)
				}
			}
		}
	}
}

func TestRequirements(t *testing.T) {
	mod := readModule(t, ".")
	slices.Sort(mod.direct)
	if !slices.Equal(mod.direct, requirements) {
		t.Errorf("direct requirements are %v, want %v", mod.direct, requirements)
	}
}

// A released module that required the root would tie the versions of both, tests
// included, and replace lines do not hold for who requires it.
func TestReleasedModulesStandAlone(t *testing.T) {
	for _, dir := range released(t) {
		mod := readModule(t, dir)
		if mod.path != module+"/"+dir {
			t.Errorf("%s is the module %s", dir, mod.path)
		}
		if slices.Contains(mod.direct, module) {
			t.Errorf("%s requires the root", dir)
		}
		for _, p := range packagesOf(t, dir) {
			for _, f := range p.files {
				for _, spec := range f.ast.Imports {
					imported, _ := strconv.Unquote(spec.Path.Value)
					if within(imported, []string{module}) && !within(imported, []string{mod.path}) {
						t.Errorf("%s imports %s: a released module imports nothing of the root", f.name, imported)
					}
				}
			}
		}
	}
}

type goMod struct {
	path   string
	direct []string
}

// readModule reads a go.mod and holds it to what every released one has to be.
func readModule(t *testing.T, dir string) goMod {
	t.Helper()
	var mod struct {
		Module  struct{ Path string }
		Go      string
		Require []struct {
			Path     string
			Indirect bool
		}
		Replace, Tool []any
		Toolchain     string
	}
	out, err := exec.Command("go", "mod", "edit", "-json", filepath.Join(dir, "go.mod")).Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	if mod.Go != "1.26.0" {
		t.Errorf("%s: go %s, want 1.26.0: a higher floor stops every consumer's build", dir, mod.Go)
	}
	if len(mod.Replace) > 0 || len(mod.Tool) > 0 || mod.Toolchain != "" {
		t.Errorf("%s: go.mod has replace, tool or toolchain lines: %v %v %q", dir, mod.Replace, mod.Tool, mod.Toolchain)
	}
	found := goMod{path: mod.Module.Path}
	for _, r := range mod.Require {
		if !r.Indirect {
			found.direct = append(found.direct, r.Path)
		}
	}
	return found
}

func TestEveryPackageIsExplained(t *testing.T) {
	for _, p := range explained(t) {
		if !p.importable() {
			continue
		}
		if !slices.ContainsFunc(p.files, func(f file) bool { return !f.test && f.ast.Doc != nil }) {
			t.Errorf("%s has no package comment", p.dir)
		}
		if _, err := os.Stat(filepath.Join(p.dir, "README.md")); err != nil {
			t.Errorf("%s has no README.md", p.dir)
		}
		var tests []*ast.File
		for _, f := range p.files {
			if f.test {
				tests = append(tests, f.ast)
			}
		}
		if !slices.ContainsFunc(doc.Examples(tests...), func(e *doc.Example) bool { return e.Output != "" }) {
			t.Errorf("%s has no Example with an Output", p.dir)
		}
	}
}

func TestExportedSymbolsAreDocumented(t *testing.T) {
	for _, p := range explained(t) {
		if !p.importable() {
			continue
		}
		for _, f := range p.files {
			if f.test {
				continue
			}
			for _, name := range undocumented(f.ast) {
				t.Errorf("%s: %s has no comment", f.name, name)
			}
		}
	}
}

func TestCodeRules(t *testing.T) {
	const longest = 450
	for _, p := range explained(t) {
		for _, f := range p.files {
			if lines := strings.Count(f.text, "\n"); !f.test && !ast.IsGenerated(f.ast) && lines > longest {
				t.Errorf("%s has %d lines, at most %d", f.name, lines, longest)
			}
			ast.Inspect(f.ast, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.FuncDecl:
					if n.Name.Name == "init" && n.Recv == nil {
						t.Errorf("%s has a func init", f.name)
					}
				case *ast.CallExpr:
					if text, ok := errorText(n); ok && p.importable() && !f.test && !prefixed(text, p.name) {
						t.Errorf("%s: error text %q does not begin with %q", f.name, text, p.name+": ")
					}
				}
				return true
			})
		}
	}
}

// A Go block of a README is either a whole program, which is compiled, or a
// run of lines of an Example of its folder or of examples/quickstart.
func TestReadmeBlocks(t *testing.T) {
	var programs []string
	for _, name := range readmes(t) {
		sources := exampleSources(t, path.Dir(name))
		for _, block := range goBlocks(t, name) {
			switch {
			case strings.HasPrefix(block, "package main"):
				programs = append(programs, block)
			case !strings.Contains(sources, flat(block)):
				t.Errorf("%s: this block is in no Example of its folder:\n%s", name, block)
			}
		}
	}
	for _, program := range programs {
		compile(t, program)
	}
	if len(programs) == 0 {
		t.Error("README.md has no whole program")
	}
}

func TestReadmeFirstScreen(t *testing.T) {
	const most = 20
	block := goBlocks(t, "README.md")[0]
	if lines := strings.Count(strings.TrimSpace(block), "\n") + 1; lines > most {
		t.Errorf("the first program has %d lines, at most %d", lines, most)
	}
	text := read(t, "README.md")
	for _, command := range []string{"go run ./examples/notes", "go test ./..."} {
		if !strings.Contains(text, command) {
			t.Errorf("README.md does not name %q", command)
		}
	}
}

// The rest reads the tree.

type file struct {
	name, text string
	test       bool
	ast        *ast.File
}

type pkg struct {
	dir, name string
	files     []file
}

func (p pkg) importable() bool {
	return p.name != "main" && !strings.Contains("/"+p.dir+"/", "/internal/") && p.dir != "."
}

// packages returns the packages of the root module, tests included.
func packages(t *testing.T) []pkg {
	t.Helper()
	all := packagesOf(t, ".")
	if len(all) < 10 {
		t.Fatalf("found only %d packages: the walk is broken", len(all))
	}
	return all
}

// explained returns the packages that the rules for what users read hold for: those of
// the root and of the released modules.
func explained(t *testing.T) []pkg {
	t.Helper()
	all := packages(t)
	for _, dir := range released(t) {
		all = append(all, packagesOf(t, dir)...)
	}
	return all
}

// packagesOf returns the packages of the module at dir.
func packagesOf(t *testing.T, dir string) []pkg {
	t.Helper()
	fset, dirs := token.NewFileSet(), map[string]*pkg{}
	walkModule(t, dir, func(name string) {
		if !strings.HasSuffix(name, ".go") {
			return
		}
		text := read(t, name)
		parsed, err := parser.ParseFile(fset, name, text, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		dir, test := path.Dir(name), strings.HasSuffix(name, "_test.go")
		if dirs[dir] == nil {
			dirs[dir] = &pkg{dir: dir}
		}
		if !test || dirs[dir].name == "" {
			dirs[dir].name = strings.TrimSuffix(parsed.Name.Name, "_test")
		}
		dirs[dir].files = append(dirs[dir].files, file{name, text, test, parsed})
	})
	var all []pkg
	for _, p := range dirs {
		all = append(all, *p)
	}
	slices.SortFunc(all, func(a, b pkg) int { return cmp.Compare(a.dir, b.dir) })
	return all
}

// released returns the nested modules that others may require.
func released(t *testing.T) (dirs []string) {
	t.Helper()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") || name == "examples") {
			return filepath.SkipDir
		}
		if dir := path.Dir(filepath.ToSlash(name)); d.Name() == "go.mod" && dir != "." {
			dirs = append(dirs, dir)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(dirs) == 0 {
		t.Fatal("found no released module: the walk is broken")
	}
	return dirs
}

func walkModule(t *testing.T, module string, visit func(name string)) {
	t.Helper()
	err := filepath.WalkDir(module, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == module {
			return err
		}
		if !d.IsDir() {
			visit(filepath.ToSlash(name))
			return nil
		}
		_, nested := os.Stat(filepath.Join(name, "go.mod"))
		if strings.HasPrefix(d.Name(), ".") || strings.HasPrefix(d.Name(), "_") || d.Name() == "testdata" || nested == nil {
			return filepath.SkipDir
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func roomOf(dir string) []string {
	for at := dir; ; at = path.Dir(at) {
		if at == "." {
			return rooms[""]
		}
		if allowed, ok := rooms[at]; ok {
			allowed = slices.Clone(allowed)
			for i := range allowed {
				if allowed[i] == "." {
					allowed[i] = module + "/" + at
				}
			}
			return allowed
		}
	}
}

func isStandard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".")
}

func within(imported string, roots []string) bool {
	return slices.ContainsFunc(roots, func(root string) bool {
		return imported == root || strings.HasPrefix(imported, root+"/")
	})
}

func undocumented(f *ast.File) (names []string) {
	missing := func(name *ast.Ident, docs ...*ast.CommentGroup) {
		if name.IsExported() && !slices.ContainsFunc(docs, func(d *ast.CommentGroup) bool { return d != nil }) {
			names = append(names, name.Name)
		}
	}
	for _, decl := range f.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil || exportedReceiver(d.Recv) {
				missing(d.Name, d.Doc)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.TypeSpec:
					missing(s.Name, s.Doc, d.Doc)
					if i, ok := s.Type.(*ast.InterfaceType); ok && s.Name.IsExported() {
						for _, m := range i.Methods.List {
							for _, name := range m.Names {
								missing(name, m.Doc, m.Comment)
							}
						}
					}
				case *ast.ValueSpec:
					for _, name := range s.Names {
						missing(name, s.Doc, s.Comment, d.Doc)
					}
				}
			}
		}
	}
	return names
}

func exportedReceiver(recv *ast.FieldList) bool {
	typ := recv.List[0].Type
	for {
		switch x := typ.(type) {
		case *ast.StarExpr:
			typ = x.X
		case *ast.IndexExpr:
			typ = x.X
		case *ast.IndexListExpr:
			typ = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return false
		}
	}
}

// errorText returns the literal that a call of errors.New or fmt.Errorf has
// for its text.
func errorText(call *ast.CallExpr) (string, bool) {
	fun, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || len(call.Args) == 0 {
		return "", false
	}
	from, ok := fun.X.(*ast.Ident)
	if !ok || from.Name+"."+fun.Sel.Name != "errors.New" && from.Name+"."+fun.Sel.Name != "fmt.Errorf" {
		return "", false
	}
	lit, ok := call.Args[0].(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}

// prefixed accepts "%w: detail" too: the wrapped sentinel brings the prefix.
func prefixed(text, pkg string) bool {
	return strings.HasPrefix(text, pkg+": ") || strings.HasPrefix(text, "%w")
}

func readmes(t *testing.T) (names []string) {
	for _, dir := range append(released(t), ".") {
		walkModule(t, dir, func(name string) {
			if path.Base(name) == "README.md" {
				names = append(names, name)
			}
		})
	}
	if len(names) < 10 {
		t.Fatalf("found only %d READMEs: the walk is broken", len(names))
	}
	return names
}

var goBlock = regexp.MustCompile("(?ms)^```go\n(.*?)^```$")

func goBlocks(t *testing.T, name string) (blocks []string) {
	t.Helper()
	for _, m := range goBlock.FindAllStringSubmatch(read(t, name), -1) {
		blocks = append(blocks, m[1])
	}
	if name == "README.md" && len(blocks) == 0 {
		t.Fatal("README.md has no Go block")
	}
	return blocks
}

func exampleSources(t *testing.T, dir string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, name := range append(names, "examples/quickstart/main.go") {
		all.WriteString(flat(read(t, name)))
	}
	return all.String()
}

// flat drops indentation, which differs between a README and a function body.
func flat(code string) string {
	var out strings.Builder
	for line := range strings.Lines(strings.TrimSpace(code)) {
		fmt.Fprintln(&out, strings.TrimSpace(line))
	}
	return out.String()
}

// compile builds a program as if it stood in examples, so that what a reader
// copies is what the compiler saw.
func compile(t *testing.T, program string) {
	t.Helper()
	dir := t.TempDir()
	source := filepath.Join(dir, "main.go")
	if err := os.WriteFile(source, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, "examples/readme/main.go"): source}})
	if err != nil {
		t.Fatal(err)
	}
	replaced := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(replaced, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "build", "-overlay", replaced, "-o", filepath.Join(dir, "readme"), "./examples/readme").CombinedOutput()
	if err != nil {
		t.Errorf("a program of a README does not compile: %v\n%s\n%s", err, out, program)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
