package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// A table is what is printed, and written to the document.
type table struct {
	title  string
	about  []string // what the cells mean, and below the table what to know
	header []string
	rows   [][]string
	notes  []string
}

// add appends a row.
func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// write prints the table in Markdown with aligned columns, which is readable as text too.
func (t *table) write(w io.Writer) {
	fmt.Fprintf(w, "## %s\n\n", t.title)
	for _, line := range t.about {
		fmt.Fprintln(w, line)
	}
	if len(t.about) > 0 {
		fmt.Fprintln(w)
	}
	widths := t.widths()
	writeRow(w, t.header, widths)
	rule := make([]string, len(widths))
	for i, width := range widths {
		rule[i] = strings.Repeat("-", width)
	}
	writeRow(w, rule, widths)
	for _, row := range t.rows {
		writeRow(w, row, widths)
	}
	fmt.Fprintln(w)
	for _, note := range t.notes {
		fmt.Fprintf(w, "%s\n\n", note)
	}
}

func (t *table) widths() []int {
	widths := make([]int, len(t.header))
	for _, row := range slices.Concat([][]string{t.header}, t.rows) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	return widths
}

func writeRow(w io.Writer, cells []string, widths []int) {
	for i, cell := range cells {
		fmt.Fprintf(w, "| %s%s ", cell, strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)))
	}
	fmt.Fprintln(w, "|")
}
