package archtest

import (
	"os"
	"testing"
)

// The tree itself follows the rules.
func TestTree(t *testing.T) {
	violations, err := Check(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range violations {
		t.Error(v)
	}
}
