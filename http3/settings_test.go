package http3

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
)

func TestSettingsRoundTrip(t *testing.T) {
	for _, s := range []settingsFrame{
		{},
		{Settings: Settings{EnableDatagrams: true}},
		{Settings: Settings{EnableExtendedConnect: true, Other: map[uint64]uint64{0x21: 1, 1 << 40: 1 << 61}}, maxFieldSection: 1000},
	} {
		r := bytes.NewReader(s.append(nil))
		var scratch [maxFrameHeader]byte
		typ, length, err := readFrameHeader(r, &scratch)
		if typ != frameSettings || err != nil || int(length) != r.Len() {
			t.Fatalf("frame %#x of %d bytes, %v; %d bytes are left", uint64(typ), length, err, r.Len())
		}
		b, _ := io.ReadAll(r)
		got, err := parseSettings(b)
		if err != nil || fmt.Sprint(*got) != fmt.Sprint(s) {
			t.Errorf("got %+v, %v, want %+v", got, err, s)
		}
	}
}

func TestSettingsErrors(t *testing.T) {
	tests := []struct {
		name    string
		payload []byte
		code    ErrCode
	}{
		{"identifier cut off", []byte{0x40}, ErrCodeFrameError},
		{"value missing", []byte{0x21}, ErrCodeFrameError},
		{"value cut off", []byte{0x21, 0x80, 0}, ErrCodeFrameError},
		{"reserved", []byte{0x04, 1}, ErrCodeSettingsError},
		{"duplicate", []byte{0x21, 1, 0x40, 0x21, 1}, ErrCodeSettingsError},
		{"datagram 2", []byte{0x33, 2}, ErrCodeSettingsError},
		{"extended CONNECT 63", []byte{0x08, 63}, ErrCodeSettingsError},
	}
	for _, test := range tests {
		_, err := parseSettings(test.payload)
		var connErr *connError
		if !errors.As(err, &connErr) || connErr.code != test.code {
			t.Errorf("%s: got %v, want %s", test.name, err, test.code)
		}
	}
}

func TestOtherSettingsAreBounded(t *testing.T) {
	var b []byte
	for id := range uint64(1000) {
		b = appendSetting(b, 0x100+id, id)
	}
	s, err := parseSettings(b)
	if err != nil || len(s.Other) != maxOtherSettings {
		t.Errorf("%d settings are kept, %v, want %d", len(s.Other), err, maxOtherSettings)
	}
}
