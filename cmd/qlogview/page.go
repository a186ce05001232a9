package main

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"io"
	"strings"
)

//go:embed page
var assets embed.FS

// The parts of the page, in their order.
var (
	styles  = []string{"page/uplot/uPlot.min.css", "page/page.css"}
	scripts = []string{"page/uplot/uPlot.iife.min.js", "page/base.js", "page/charts.js", "page/lanes.js", "page/page.js"}
)

// writePage writes the page. What comes from the files is in it once, as JSON that is no script; the policy of the page
// runs no other scripts than ours, and loads nothing.
func writePage(w io.Writer, traces []*trace) error {
	data, err := marshal(traces)
	if err != nil {
		return err
	}
	style, script := join(styles), join(scripts)
	_, err = strings.NewReplacer(
		"{{style}}", style, "{{style-hash}}", hash(style),
		"{{script}}", script, "{{script-hash}}", hash(script),
		"{{license}}", asset("page/uplot/LICENSE"),
		"{{data}}", string(data),
	).WriteString(w, asset("page/page.html"))
	return err
}

func join(names []string) string {
	var b strings.Builder
	for _, name := range names {
		b.WriteString(asset(name))
		b.WriteByte('\n')
	}
	return b.String()
}

func asset(name string) string {
	b, err := assets.ReadFile(name)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return string(b)
}

// hash returns the source of a Content-Security-Policy that allows one inline element.
func hash(content string) string {
	sum := sha256.Sum256([]byte(content))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
