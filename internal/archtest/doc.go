// Package archtest checks the source of this module against the house rules of STYLE.md that
// a machine can decide: who may import whom, sizes of files, functions and structs, nesting,
// where the clock is read, presence of doc.go, and the grammar of RFC references.
//
// Its own tests call it, so that go test ./... fails on a violation. It parses files of all
// platforms and build tags, but not of modules within this one. Each rule is one function with
// its limits or its table beside it.
//
// It never looks at types, never changes a file, and no other package imports it.
package archtest
