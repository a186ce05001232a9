package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A fault is one line of the library that is written in another way for one run, to see that the experiment notices.
type fault struct {
	name     string
	what     string
	file     string // in the root directory of the module
	old, new string
}

var faults = []fault{
	{
		name: "drop", what: "one emission is dropped: that the receive half of stream 8 has all its data",
		file: "stream_observer.go",
		old:  "o.onState(s)",
		new:  "if r.id != 8 || s != ReceiveStateDataRecvd { o.onState(s) }",
	},
	{
		name: "remove", what: "streams that are over are removed from the map before delivery, which then does not find them",
		file: "stream_observer.go",
		old:  "returned = m.deliverStream(r) || returned",
		new:  "if r.over() { if m.holds(r) { returned = m.remove(r) || returned }; continue }; returned = m.deliverStream(r) || returned",
	},
	{
		name: "lock", what: "states are delivered under the lock of the send half",
		file: "stream_observer.go",
		old:  "o.onState(s)",
		new:  "r.send.mu.Lock(); o.onState(s); r.send.mu.Unlock()",
	},
}

func findFault(name string) (*fault, error) {
	i := slices.IndexFunc(faults, func(f fault) bool { return f.name == name })
	if i < 0 {
		return nil, fmt.Errorf("unknown fault %q", name)
	}
	return &faults[i], nil
}

// overlay puts the changed copy of the file into dir. The file itself is not touched.
func (f *fault) overlay(root, dir string) (overlay, error) {
	path := filepath.Join(root, f.file)
	text, err := os.ReadFile(path)
	if err != nil {
		return overlay{}, err
	}
	changed, err := f.apply(string(text))
	if err != nil {
		return overlay{}, err
	}
	copied := filepath.Join(dir, "fault_"+f.file)
	return overlay{map[string]string{path: copied}}, os.WriteFile(copied, []byte(changed), 0o600)
}

// apply changes the one line that the fault is about.
func (f *fault) apply(text string) (string, error) {
	if n := strings.Count(text, f.old); n != 1 {
		return "", fmt.Errorf("fault %s: %q is %d times in %s, it has to be there once", f.name, f.old, n, f.file)
	}
	return strings.Replace(text, f.old, f.new, 1), nil
}
