package sanitize_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/pavise/pavise/sanitize"
)

func TestCompileRefuses(t *testing.T) {
	with := func(el string, attrs sanitize.Attrs) sanitize.Policy { return sanitize.Article().With(el, attrs) }
	change := func(f func(*sanitize.Policy)) sanitize.Policy { p := sanitize.Article(); f(&p); return p }
	text := sanitize.AttrText
	for want, p := range map[string]sanitize.Policy{
		"<script> cannot be allowed":       with("script", nil),
		"<style> cannot":                   with("style", nil),
		"<svg> cannot":                     with("svg", nil),
		"<math> cannot":                    with("math", nil),
		"<noscript> cannot":                with("noscript", nil),
		"<template> cannot":                with("template", nil),
		"<select> cannot":                  with("select", nil),
		"<textarea> cannot":                with("textarea", nil),
		"<iframe> cannot":                  with("iframe", nil),
		"<form> cannot":                    with("form", nil),
		`"x-y" is not an element`:          with("x-y", nil),
		`"P" is not an element`:            with("P", nil),
		"event handler":                    with("p", sanitize.Attrs{"onpointerrawupdate": text}),
		"it can cover the page":            with("p", sanitize.Attrs{"style": text}),
		"Links writes it":                  with("a", sanitize.Attrs{"rel": text}),
		`"formaction" on <p> cannot`:       with("p", sanitize.Attrs{"formaction": sanitize.AttrURL}),
		`"data-" on <p> cannot`:            with("p", sanitize.Attrs{"data-": text}),
		`"Title" on <p> cannot`:            with("p", sanitize.Attrs{"Title": text}),
		"are of kind url":                  with("a", sanitize.Attrs{"href": text}),
		"unknown attribute kind":           {Elements: map[string]sanitize.Attrs{"p": {"title": "nonsense"}}},
		"and no other attribute is":        with("p", sanitize.Attrs{"title": sanitize.AttrURL}),
		"srcset is of kind srcset":         with("img", sanitize.Attrs{"srcset": text}),
		"use AttrClasses":                  with("p", sanitize.Attrs{"class": text}),
		"loads into a frame of the page":   with("a", sanitize.Attrs{"target": text}),
		"ids are of kind text":             with("p", sanitize.Attrs{"id": sanitize.AttrEnum("a")}),
		"regexp does not compile":          with("p", sanitize.Attrs{"title": sanitize.AttrRegexp("(")}),
		`"title" on <q>`:                   with("q", sanitize.Attrs{"title": sanitize.AttrRegexp("x)|(?:.*")}),
		"int takes":                        with("hr", sanitize.Attrs{"width": sanitize.AttrInt(0)}),
		"a value of enum":                  with("p", sanitize.Attrs{"align": sanitize.AttrEnum("a b")}),
		"classes takes":                    with("p", sanitize.Attrs{"class": sanitize.AttrClasses()}),
		"neither a scheme nor relative":    {Elements: map[string]sanitize.Attrs{"a": {"href": sanitize.AttrURL}}},
		`URL.Schemes has "javascript"`:     change(func(p *sanitize.Policy) { p.URL.Schemes = []string{"javascript"} }),
		`URL.Schemes has "data"`:           change(func(p *sanitize.Policy) { p.URL.Schemes = []string{"data"} }),
		`URL.DataImages has "svg+xml"`:     change(func(p *sanitize.Policy) { p.URL.DataImages = []string{"svg+xml"} }),
		"a host is written":                change(func(p *sanitize.Policy) { p.URL.Hosts = []string{"https://a.example"} }),
		`Links.Target is ""`:               change(func(p *sanitize.Policy) { p.Links.Target = "_top" }),
		"opener hands the page":            change(func(p *sanitize.Policy) { p.Links.Rel = []string{"opener"} }),
		"contradicts InsecureRawIDs":       change(func(p *sanitize.Policy) { p.IDPrefix, p.InsecureRawIDs = "x-", true }),
		"IDPrefix is up to 32 letters":     change(func(p *sanitize.Policy) { p.IDPrefix = "a b" }),
		"Limits.Depth is not":              change(func(p *sanitize.Policy) { p.Limits.Depth = 101 }),
		"Limits.Input is not":              change(func(p *sanitize.Policy) { p.Limits.Input = -1 }),
		"is in Elements and in Drop":       change(func(p *sanitize.Policy) { p.Drop = []string{"p"} }),
		`Drop has "nosuch"`:                change(func(p *sanitize.Policy) { p.Drop = []string{"nosuch"} }),
		"but not <tbody>, which repairing": sanitize.Article().Minus("tbody"),
		`"onclick" on <*> cannot`:          change(func(p *sanitize.Policy) { p.Global["onclick"] = text }),
	} {
		if _, err := sanitize.Compile(p); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "sanitize: ") {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func TestPolicyJSON(t *testing.T) {
	p := sanitize.Article()
	data, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var q sanitize.Policy
	if err := json.Unmarshal(data, &q); err != nil {
		t.Fatal(err)
	}
	if p.Fingerprint() != q.Fingerprint() || !reflect.DeepEqual(p.Elements, q.Elements) {
		t.Error("a policy does not survive JSON")
	}
	for _, bad := range []string{
		`{"element":{}}`, `{"url":{"scheme":["https"]}}`, `{"drop":[],"drop":["p"]}`, `{"elements":{"p":{},"p":{"id":"text"}}}`,
		`{"drop":[],"Drop":[]}`, "{\"elements\":{},\"element\u017f\":{\"img\":{}}}", `{"elements":{"p":{"id":1}}}`, `[]`, `{"limits":{"depth":1.5}}`, `{`,
	} {
		if err := json.Unmarshal([]byte(bad), &q); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}

func FuzzPolicyJSON(f *testing.F) {
	data, _ := json.Marshal(sanitize.Comment())
	f.Add(data)
	f.Add([]byte(`{"elements":{"p":{"id":"text"}},"drop":["object"]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var p sanitize.Policy
		if json.Unmarshal(data, &p) != nil {
			return
		}
		s, err := sanitize.Compile(p)
		if err != nil {
			return
		}
		for _, in := range []string{hostile[3], hostile[5], `<p id=a>x<a href=//b.example>y`} {
			if _, _, err := s.Clean(in); err != nil {
				t.Errorf("%s: %v", data, err)
			}
		}
	})
}

func TestDerivedPoliciesAreCopies(t *testing.T) {
	p := sanitize.Article()
	before := p.Fingerprint()
	s := sanitize.MustCompile(p)
	q := p.With("p", sanitize.Attrs{"align": sanitize.AttrEnum("left")}).Minus("img", "table")
	q.Elements["a"]["title"] = sanitize.AttrURL
	q.URL.Schemes[0] = "javascript"
	if p.Fingerprint() != before {
		t.Error("With or Minus changed its receiver")
	}
	if q.Fingerprint() == before {
		t.Error("different policies have one fingerprint")
	}
	p.URL.Schemes[0] = "javascript"
	clear(p.Elements)
	if got := s.HTML(`<b><a href="https://a.example">x</a></b>`); !strings.Contains(string(got), `href="https://a.example"`) {
		t.Errorf("a compiled policy changed: %s", got)
	}
}

func TestCSP(t *testing.T) {
	p := sanitize.Article()
	p.URL.DataImages = []string{"png"}
	p.URL.Hosts = []string{"img.example", "x; script-src *"}
	for policy, want := range map[*sanitize.Policy]string{
		new(sanitize.Comment()): "img-src 'none'; media-src 'none'; frame-src 'none'; object-src 'none'",
		new(sanitize.Article()): "img-src 'self' https: http:; media-src 'none'; frame-src 'none'; object-src 'none'",
		&p:                      "img-src 'self' https://img.example http://img.example data:; media-src 'none'; frame-src 'none'; object-src 'none'",
	} {
		if got := policy.CSP(); got != want {
			t.Errorf("CSP %q, want %q", got, want)
		}
	}
}

func TestAttrKinds(t *testing.T) {
	p := sanitize.Policy{
		Elements: map[string]sanitize.Attrs{"a": {"href": sanitize.AttrURL, "target": sanitize.AttrEnum("_blank")}, "i": {
			"class": sanitize.AttrClasses("note", "x"), "align": sanitize.AttrEnum("left", "right"), "width": sanitize.AttrInt(99),
			"title": sanitize.AttrRegexp("[a-z]+"), "id": sanitize.AttrRegexp("[a-k]+"), "aria-labelledby": sanitize.AttrText, "data-k": sanitize.AttrURL, "lang": sanitize.AttrEnum(""),
		}},
		URL:   sanitize.URLRules{Schemes: []string{"https"}, Hosts: []string{"a.example", "k.example", "*.b.example"}},
		Links: sanitize.LinkRules{Rel: []string{"nofollow"}, Target: "_blank", Own: []string{"a.example"}},
		Drop:  []string{"object", "embed"},
	}
	s := sanitize.MustCompile(p)
	for in, want := range map[string]string{
		`<i class="note modal x note">`:                                         `<i class="note x"></i>`,
		`<i class=modal align=LEFT>`:                                            `<i align="left"></i>`,
		`<i width=007><i width=100><i width=-1>`:                                `<i width="7"><i><i></i></i></i>`,
		`<i title=abc><i title="abc x">`:                                        `<i title="abc"><i></i></i>`,
		`<i aria-labelledby="a user-content-b">`:                                `<i aria-labelledby="user-content-a user-content-b"></i>`,
		`<i id=abc><i id=user-content-abc><i id=xyz>`:                           `<i id="user-content-abc"><i id="user-content-abc"><i></i></i></i>`,
		"<a href=\"https://x.\u212a.b.example\">":                               "<a href=\"https://x.\u212a.b.example\" rel=\"nofollow noopener\" target=\"_blank\"></a>",
		"<a href=\"https://\u212a.example\">":                                   `<a></a>`,
		`<i data-k="javascript:x" lang>`:                                        `<i lang=""></i>`,
		`<a href="https://A.example/">`:                                         `<a href="https://A.example/"></a>`,
		`<a href="https://x.b.example/">`:                                       `<a href="https://x.b.example/" rel="nofollow noopener" target="_blank"></a>`,
		`<a href="https://a.example" target=_BLANK>`:                            `<a href="https://a.example" rel="nofollow noopener" target="_blank"></a>`,
		`<a href="https://b.example/"><a href="/x"><a href="http://a.example">`: `<a></a><a></a><a></a>`,
		`a<object>b<object>c</object>d</object>e`:                               `ae`,
		`a<embed src=x>b<embed>c`:                                               `abc`,
		`a<object>b</object>c<object>d`:                                         `ac&lt;object&gt;d`,
	} {
		got, _, err := s.Clean(in)
		if string(got) != want || err != nil {
			t.Errorf("Clean(%q) = %s, %v\nwant %s", in, got, err, want)
		}
	}
}
