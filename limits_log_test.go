package quic_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/wire"
	"github.com/quic-go/quic-go/qlogwriter"
)

// What a peer would like to see on a terminal, or as lines of its own in a log.
var hostileTexts = []string{
	"done\nERROR: disk is full\n", "\x1b[2J\x1b[31mred", "\xff\xfe\x80", "\x00", "\u202egnp.exe", "\"}\x1e{\"time\":0}\n", "quo\"te\\\r\t",
}

// A logBuffer is a file.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (*logBuffer) Close() error { return nil }

// check fails the test unless l is a sequence of JSON texts (RFC 7464), each on one line that can be shown.
func (l *logBuffer) check(t *testing.T, text string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	records := strings.Split(l.b.String(), string(rune(qlogwriter.RecordSeparator)))[1:]
	for _, r := range records {
		line, ok := strings.CutSuffix(r, "\n")
		if !ok || !showable(line) || !json.Valid([]byte(line)) {
			t.Errorf("record %q for a reason of %q", r, text)
		}
	}
	if len(records) < 10 {
		t.Errorf("%d records", len(records))
	}
}

// showable reports whether s is one line without control characters.
func showable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// what a peer says gets in logs as text of one line.
func TestTextsOfPeersAreEscaped(t *testing.T) {
	for _, text := range hostileTexts {
		hostile(t, func(t *testing.T, s *scene) {
			var l logBuffer
			s.config.Tracer = func(_ context.Context, isClient bool, id quic.ConnectionID) qlogwriter.Trace {
				f := qlogwriter.NewConnectionFileSeq(&l, isClient, id)
				go f.Run()
				return f
			}
			s.connect()
			f := &wire.ConnectionCloseFrame{IsApplicationError: len(text)%2 == 0, ErrorCode: 1, ReasonPhrase: text}
			s.peer.Send(oneRTT, f)
			if err := s.cause(); !showable(err.Error()) || err.Error() == "" {
				t.Errorf("the error is %q", err.Error())
			}
			time.Sleep(time.Second)
			l.check(t, text)
		})
	}
}

// The escapes are for what cannot be shown, everything else stays as it is.
func TestTextsOfErrors(t *testing.T) {
	for text, want := range map[string]string{
		`C:\x "quoted", größer`: `C:\x "quoted", größer`,
		"a\nb":                  `a\nb`,
		"\xff\"":                `\xff\"`,
	} {
		for _, err := range []error{
			&quic.ApplicationError{ErrorMessage: text},
			&quic.TransportError{ErrorMessage: text, Remote: true},
		} {
			if !strings.HasSuffix(err.Error(), ": "+want) {
				t.Errorf("%q, want %q at the end", err.Error(), want)
			}
		}
	}
}
