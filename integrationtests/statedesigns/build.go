package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The directories of the experiment, from the root of the module.
const (
	measureDir  = "integrationtests/statedesigns/measure"
	upstreamDir = "integrationtests/statedesigns/upstream"
	plotsDir    = "integrationtests/statedesigns/plots"
)

// An overlay tells the go command to read other files than those on disk: see "go help build", flag -overlay.
type overlay struct{ Replace map[string]string }

// A builder builds measuring programs into a temporary directory.
type builder struct{ root, tmp string }

// native builds the program for the module that this command belongs to, with a fault in it unless f is nil.
func (b *builder) native(ctx context.Context, f *fault) (program string, err error) {
	args := []string{"test", "-c", "-o", filepath.Join(b.tmp, "native.test")}
	if f != nil {
		o, err := f.overlay(b.root, b.tmp)
		if err != nil {
			return "", err
		}
		file, err := b.write("fault.json", o)
		if err != nil {
			return "", err
		}
		args = append(args, "-overlay", file)
	}
	return b.goTest(ctx, b.root, append(args, "./"+measureDir))
}

// upstream builds the same source in the module that requires v0.65.0.
func (b *builder) upstream(ctx context.Context) (program string, err error) {
	files, err := filepath.Glob(filepath.Join(b.root, measureDir, "*.go"))
	if err != nil {
		return "", err
	}
	o := overlay{make(map[string]string)}
	for _, f := range files {
		o.Replace[filepath.Join(b.root, upstreamDir, filepath.Base(f))] = f
	}
	file, err := b.write("upstream.json", o)
	if err != nil {
		return "", err
	}
	args := []string{"test", "-c", "-o", filepath.Join(b.tmp, "upstream.test"), "-tags", "upstream", "-overlay", file, "."}
	return b.goTest(ctx, filepath.Join(b.root, upstreamDir), args)
}

func (b *builder) write(name string, v any) (file string, err error) {
	text, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	file = filepath.Join(b.tmp, name)
	return file, os.WriteFile(file, text, 0o600)
}

// goTest runs go test -c -o FILE and returns the file.
func (b *builder) goTest(ctx context.Context, dir string, args []string) (program string, err error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, firstLine(out))
	}
	return args[3], nil
}

// firstLine returns the first line of what the go command says that tells why it failed.
func firstLine(text []byte) string {
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "go: downloading ") {
			return line
		}
	}
	return "no output"
}

// findRoot returns the root directory of the module.
func findRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", err
	}
	root := filepath.Dir(strings.TrimSpace(string(out)))
	if _, err := os.Stat(filepath.Join(root, measureDir)); err != nil {
		return "", errors.New("run this in the root directory of the module")
	}
	return root, nil
}
