package diag

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func sample() List {
	return List{
		{Code: PolicyEntity, Severity: Error, Pos: Pos{"my apis/p.xml", 2, 11}, Path: "set-header", Message: "An <error>.", Hint: "write &amp;"},
		{Code: PolicyMixedValue, Severity: Warning, Pos: Pos{"my apis/p.xml", 3, 2}, Message: "Side by side."},
		{Code: PolicyReadStopped, Severity: Info, Pos: Pos{"gone.xml", 9, 1}, Message: "Stopped."},
		{Code: "SP9999", Severity: Error, Path: "apis/chat", Message: "No place."},
	}
}

func files(file string) (string, bool) {
	if file == "my apis/p.xml" {
		return "\uFEFF<a>\r\n\t<b c=\"é&x\"/>\r<d>\n", true
	}
	return "", false
}

func text(t *testing.T, list List, source func(string) (string, bool), color bool) string {
	t.Helper()
	var b strings.Builder
	if err := Write(&b, list, source, color); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestWrite(t *testing.T) {
	want := `my apis/p.xml:2:11: error SP1202: An <error>.
    	<b c="é&x"/>
    	         ^
  hint: write &amp;
my apis/p.xml:3:2: warning SP1204: Side by side.
    <d>
     ^
gone.xml:9:1: info SP1212: Stopped.
apis/chat: error SP9999: No place.
`
	if diff := cmp.Diff(want, text(t, sample(), files, false)); diff != "" {
		t.Error(diff)
	}
	if got := text(t, nil, nil, true); got != "" {
		t.Errorf("nothing to print, but %q", got)
	}
}

func TestWriteInColour(t *testing.T) {
	want := "\x1b[1mmy apis/p.xml:2:11: \x1b[0m\x1b[1;31merror SP1202\x1b[0m: An <error>.\n" +
		"    \t<b c=\"é&x\"/>\n    \t         \x1b[1;31m^\x1b[0m\n" +
		"\x1b[1m  hint: \x1b[0mwrite &amp;\n"
	if diff := cmp.Diff(want, text(t, sample()[:1], files, true)); diff != "" {
		t.Error(diff)
	}
	for s, code := range map[Severity]string{Warning: "1;33m", Info: "1;36m"} {
		if got := text(t, List{{Severity: s}}, nil, true); !strings.Contains(got, code) {
			t.Errorf("%v: %q", s, got)
		}
	}
}

func TestWriteUnusualLines(t *testing.T) {
	long := strings.Repeat("0123456789", 30)
	source := func(string) (string, bool) {
		return long + "\ne\u0301\u0301x\na\x1b[31m\u202eb", true
	}
	for _, c := range []struct {
		line, col int
		want      string
	}{
		{1, 5, "    " + long[:120] + "…\n        ^\n"},
		{1, 151, "    …" + long[90:210] + "…\n" + strings.Repeat(" ", 65) + "^\n"},
		{1, 301, "    …" + long[180:] + "\n" + strings.Repeat(" ", 125) + "^\n"},
		{1, 999, "    …" + long[180:] + "\n" + strings.Repeat(" ", 125) + "^\n"},
		{2, 4, "    e\u0301\u0301x\n     ^\n"},
		{3, 1, "    a␛[31m\uFFFDb\n    ^\n"},
		{4, 1, ""},
		{1, 0, ""},
	} {
		got := text(t, List{{Pos: Pos{Line: c.line, Col: c.col}}}, source, false)
		if _, got, _ = strings.Cut(got, "\n"); got != c.want {
			t.Errorf("%d:%d\n%q\n%q", c.line, c.col, got, c.want)
		}
	}
	if got := text(t, List{{Code: "SP1", Message: "a\nb\x1b[0m"}}, nil, false); got != "error SP1: a b␛[0m\n" {
		t.Errorf("%q", got)
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestWritersReturnErrors(t *testing.T) {
	for name, err := range map[string]error{
		"text": Write(brokenPipe{}, sample(), nil, false), "json": WriteJSON(brokenPipe{}, nil), "sarif": WriteSARIF(brokenPipe{}, nil, ""),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestWriteJSON(t *testing.T) {
	want := `{
  "findings": [
    {
      "code": "SP1202",
      "severity": "error",
      "position": {
        "file": "my apis/p.xml",
        "line": 2,
        "column": 11
      },
      "path": "set-header",
      "message": "An <error>.",
      "hint": "write &amp;"
    },
    {
      "code": "SP1204",
      "severity": "warning",
      "position": {
        "file": "my apis/p.xml",
        "line": 3,
        "column": 2
      },
      "message": "Side by side."
    }
  ],
  "errors": 1,
  "warnings": 1
}
`
	var b strings.Builder
	if err := WriteJSON(&b, sample()[:2]); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
	b.Reset()
	if err := WriteJSON(&b, nil); err != nil || b.String() != "{\n  \"findings\": [],\n  \"errors\": 0,\n  \"warnings\": 0\n}\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
}

func TestWriteSARIF(t *testing.T) {
	want := `{
  "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
  "version": "2.1.0",
  "runs": [
    {
      "tool": {
        "driver": {
          "name": "sallyport",
          "version": "1.2.3",
          "rules": [
            {
              "id": "SP1202",
              "shortDescription": {
                "text": "TITLE"
              },
              "help": {
                "text": "HELP"
              },
              "defaultConfiguration": {
                "level": "error"
              }
            }
          ]
        }
      },
      "columnKind": "unicodeCodePoints",
      "results": [
        {
          "ruleId": "SP1202",
          "ruleIndex": 0,
          "level": "error",
          "message": {
            "text": "An <error>.\nHint: write &amp;"
          },
          "locations": [
            {
              "physicalLocation": {
                "artifactLocation": {
                  "uri": "my%20apis/p.xml"
                },
                "region": {
                  "startLine": 2,
                  "startColumn": 11
                }
              },
              "logicalLocations": [
                {
                  "fullyQualifiedName": "set-header"
                }
              ]
            }
          ]
        },
        {
          "ruleId": "SP9999",
          "level": "note",
          "message": {
            "text": "Nowhere."
          }
        },
        {
          "ruleId": "SP9999",
          "level": "warning",
          "message": {
            "text": "A file."
          },
          "locations": [
            {
              "physicalLocation": {
                "artifactLocation": {
                  "uri": "./a:b.xml"
                }
              }
            }
          ]
        }
      ]
    }
  ]
}
`
	for _, c := range policyCodes() {
		if c.Code == PolicyEntity {
			want = strings.Replace(strings.Replace(want, "TITLE", c.Title, 1), "HELP", c.Help, 1)
		}
	}
	var b strings.Builder
	list := List{sample()[0], {Code: "SP9999", Severity: Info, Message: "Nowhere."}, {Code: "SP9999", Severity: Warning, Pos: Pos{File: "a:b.xml"}, Message: "A file."}}
	if err := WriteSARIF(&b, list, "1.2.3"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
	b.Reset()
	if err := WriteSARIF(&b, nil, ""); err != nil || !strings.Contains(b.String(), `"results": []`) || !strings.Contains(b.String(), `"rules": []`) {
		t.Errorf("%q, %v", b.String(), err)
	}
}
