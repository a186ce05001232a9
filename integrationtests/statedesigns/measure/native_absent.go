//go:build upstream

package measure

// Build names the module that is measured.
const Build = "v0.65.0"

// becomeNative reports that there are no native states.
func (a *arm) becomeNative(string) bool { return false }
