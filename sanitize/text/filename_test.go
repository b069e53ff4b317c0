package text_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/pavise/pavise/sanitize/text"
	"golang.org/x/text/unicode/norm"
)

func TestFilename(t *testing.T) {
	for in, want := range map[string]string{
		"report.pdf":                     "report.pdf",
		"Übersicht März.xlsx":            "Übersicht März.xlsx",
		"U\u0308bersicht.txt":            "Übersicht.txt",
		"写真：夏.jpg":                       "写真：夏.jpg",
		"archive.tar.gz":                 "archive.tar.gz",
		"a  b (1).txt":                   "a  b (1).txt",
		"../../etc/passwd":               "passwd",
		`C:\Users\me\photo.jpg`:          "photo.jpg",
		`..\..\boot.ini`:                 "boot.ini",
		".htaccess":                      "htaccess",
		"...hidden":                      "hidden",
		"-rf":                            "rf",
		"-- -o x":                        "o x",
		"evil.exe. . .":                  "evil.exe",
		"nbsp\u00a0":                     "nbsp",
		"invoice\u202egpj.exe":           "invoicegpj.exe",
		"a\x00b\x1bc\u009bd\u0085e\x7f":  "abcde",
		"zero\u200bwidth\ufeff.txt":      "zerowidth.txt",
		"filler\u3164.txt":               "filler.txt",
		"e\u200b\u0301.txt":              "é.txt",
		`a<b>c"d|e?f*g`:                  "a_b_c_d_e_f_g",
		"stream.txt:hidden":              "stream.txt_hidden",
		"bad\xff.txt":                    "bad_.txt",
		"CON":                            "_CON",
		"nul.txt":                        "_nul.txt",
		"nul .txt":                       "_nul .txt",
		"Aux.tar.gz":                     "_Aux.tar.gz",
		"com1":                           "_com1",
		"LPT³.log":                       "_LPT³.log",
		"conin$":                         "_conin$",
		"COM10":                          "COM10",
		"console.log":                    "console.log",
		strings.Repeat("ä", 200) + ".md": strings.Repeat("ä", 126) + ".md",
	} {
		got, err := text.Filename(in)
		if err != nil || got != want {
			t.Errorf("Filename(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
}

func TestFilenameNothingLeft(t *testing.T) {
	for _, in := range []string{"", ".", "..", "a/", `dir\`, " . ", "\u202e\u200b", "---"} {
		if got, err := text.Filename(in); !errors.Is(err, text.ErrFilename) {
			t.Errorf("Filename(%q) = %q, %v; want ErrFilename", in, got, err)
		}
	}
}

func TestFilenameOptions(t *testing.T) {
	images := text.WithExtensions(".png", ".jpg", ".svg")
	if got, err := text.Filename("a.PNG", images); got != "a.PNG" || err != nil {
		t.Errorf("listed extension: %q, %v", got, err)
	}
	for _, in := range []string{"a.php", "png", "a.png.php", "a.jpg:b", "a.\u017fvg"} {
		if got, err := text.Filename(in, images); !errors.Is(err, text.ErrExtension) {
			t.Errorf("Filename(%q) = %q, %v; want ErrExtension", in, got, err)
		}
	}
	got, err := text.Filename(strings.Repeat("x", 300)+".jpeg", text.WithMaxBytes(32))
	if err != nil || got != strings.Repeat("x", 27)+".jpeg" {
		t.Errorf("WithMaxBytes: %q, %v", got, err)
	}
	for _, o := range []text.FilenameOption{
		text.WithMaxBytes(31), text.WithMaxBytes(256),
		text.WithExtensions(), text.WithExtensions("png"), text.WithExtensions("."), text.WithExtensions(".tar.gz"),
	} {
		if _, err := text.Filename("a.png", o); err == nil || errors.Is(err, text.ErrExtension) {
			t.Errorf("option out of range: error %v", err)
		}
	}
}

func FuzzFilename(f *testing.F) {
	for _, s := range []string{"a.txt", "../x", "CON.", "e\u200b\u0301", "\u037e.", strings.Repeat("\u0301", 40), strings.Repeat("é. ", 99) + ".x"} {
		f.Add(s)
	}
	root, err := os.OpenRoot(f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { root.Close() })
	f.Fuzz(func(t *testing.T, in string) {
		name, err := text.Filename(in)
		if err != nil {
			return
		}
		if again, err := text.Filename(name); again != name || err != nil {
			t.Errorf("not idempotent: %q then %q, %v", name, again, err)
		}
		if len(name) > 255 || !utf8.ValidString(name) || !norm.NFC.IsNormalString(name) ||
			strings.ContainsAny(name, `/\<>:"|?*`) || strings.ContainsAny(name[:1], ".- ") || strings.ContainsAny(name[len(name)-1:], ". ") {
			t.Errorf("unsafe name %q", name)
		}
		for _, r := range name {
			if unicode.In(r, unicode.C, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point) && !unicode.In(r, unicode.Co, unicode.Cn) {
				t.Errorf("%U in %q", r, name)
			}
		}
		file, err := root.Create(name)
		if err != nil {
			t.Fatalf("create %q: %v", name, err)
		}
		file.Close()
		root.Remove(name)
	})
}
