package quic

import (
	"testing"

	"github.com/quic-go/quic-go/internal/udp"
)

func TestEnvSwitch(t *testing.T) {
	for value, want := range map[string]bool{
		"": false, "true": true, "1": true, "T": true, "false": false, "0": false, "yes": false, "on": false,
	} {
		t.Setenv(envDisableGSO, value)
		if got := envSwitch(envDisableGSO); got != want {
			t.Errorf("%q switches %t, want %t", value, got, want)
		}
	}
}

func TestSocketOptionsFollowEnvironment(t *testing.T) {
	t.Setenv(envDisableGSO, "")
	t.Setenv(envDisableECN, "true")
	if got, want := socketOptions(), (udp.Options{DisableECN: true}); got != want {
		t.Errorf("socketOptions = %+v, want %+v", got, want)
	}
	t.Setenv(envDisableGSO, "true")
	t.Setenv(envDisableECN, "")
	if got, want := socketOptions(), (udp.Options{DisableGSO: true}); got != want {
		t.Errorf("socketOptions = %+v, want %+v", got, want)
	}
}

func TestScramblingFollowsEnvironment(t *testing.T) {
	t.Setenv(envDisableScrambling, "")
	if !scrambleClientHello() {
		t.Error("scrambling is off by default")
	}
	t.Setenv(envDisableScrambling, "1")
	if scrambleClientHello() {
		t.Error("scrambling is on, want it disabled")
	}
}

func TestParseLogLevel(t *testing.T) {
	for _, tc := range []struct {
		text string
		want logLevel
		ok   bool
	}{
		{"", logNothing, true},
		{"error", logErrors, true},
		{"INFO", logInfos, true},
		{"Debug", logDebugs, true},
		{"verbose", logNothing, false},
	} {
		if got, ok := parseLogLevel(tc.text); got != tc.want || ok != tc.ok {
			t.Errorf("parseLogLevel(%q) = %d, %t, want %d, %t", tc.text, got, ok, tc.want, tc.ok)
		}
	}
}
