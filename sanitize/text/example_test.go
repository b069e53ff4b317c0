package text_test

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/pavise/pavise/sanitize/text"
)

func ExampleFilename() {
	for _, upload := range []string{"Q3 report.pdf", "../../etc/passwd", "nul.txt", "invoice\u202egpj.exe", ".."} {
		name, err := text.Filename(upload)
		fmt.Printf("%q %v\n", name, err)
	}
	// Output:
	// "Q3 report.pdf" <nil>
	// "passwd" <nil>
	// "_nul.txt" <nil>
	// "invoicegpj.exe" <nil>
	// "" text: nothing usable in the file name
}

func ExampleRedirectTarget() {
	for _, next := range []string{"/inbox?page=2", `/\evil.example`, "////evil.example", "https://app.example.com/"} {
		target, err := text.RedirectTarget(next, "app.example.com")
		if err != nil {
			target = "/"
		}
		fmt.Println(target)
	}
	// Output:
	// /inbox?page=2
	// /
	// /
	// https://app.example.com/
}

func ExampleLogHandler() {
	noTime := &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}
	log := slog.New(text.LogHandler(slog.NewJSONHandler(os.Stdout, noTime)))
	log.Info("login failed", "user", "alice\n\u202eadmin")
	// Output:
	// {"level":"INFO","msg":"login failed","user":"alice\\n\\u202eadmin"}
}
