package http3

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/quic-go/qpack"
)

// An interopRecord is a field section of the QPACK interop vectors, see testdata/qpack-interop/README.md.
type interopRecord struct {
	streamID uint64
	data     []byte
	offset   int // of data in the file
}

func readInterop(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata/qpack-interop", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func parseInterop(b []byte) (records []interopRecord, err error) {
	for offset := 0; offset < len(b); {
		if len(b)-offset < 12 {
			return nil, errors.New("record is cut off")
		}
		r := interopRecord{streamID: binary.BigEndian.Uint64(b[offset:]), offset: offset + 12}
		end := r.offset + int(binary.BigEndian.Uint32(b[offset+8:]))
		if end > len(b) {
			return nil, errors.New("record is cut off")
		}
		r.data = b[r.offset:end]
		records = append(records, r)
		offset = end
	}
	return records, nil
}

// parseQIF returns the header lists of a .qif file.
func parseQIF(b []byte) (lists [][]qpack.HeaderField) {
	var list []qpack.HeaderField
	for line := range strings.Lines(string(b)) {
		name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if ok {
			list = append(list, qpack.HeaderField{Name: name, Value: value})
			continue
		}
		if len(list) > 0 {
			lists = append(lists, list)
			list = nil
		}
	}
	if len(list) > 0 {
		lists = append(lists, list)
	}
	return lists
}

// checkInterop decodes each section of a file and compares it with its list.
func checkInterop(b []byte, lists [][]qpack.HeaderField) error {
	records, err := parseInterop(b)
	if err != nil {
		return err
	}
	if len(records) != len(lists) {
		return fmt.Errorf("%d sections for %d lists", len(records), len(lists))
	}
	for i, r := range records {
		if r.streamID != uint64(i+1) {
			return fmt.Errorf("section %d is of stream %d", i, r.streamID)
		}
		if err := r.check(lists[i]); err != nil {
			return fmt.Errorf("stream %d: %w", r.streamID, err)
		}
	}
	return nil
}

func (r *interopRecord) check(list []qpack.HeaderField) error {
	fields, err := decodeFields(r.data, 1<<20)
	if err != nil {
		return err
	}
	if !slices.Equal(fields, list) {
		return fmt.Errorf("got %v, want %v", fields, list)
	}
	return nil
}

func TestQPACKInterop(t *testing.T) {
	lists := parseQIF(readInterop(t, "netbsd-hq.qif"))
	if len(lists) != 18 {
		t.Fatalf("got %d lists", len(lists))
	}
	for _, name := range []string{"ls-qpack.out", "quinn.out"} {
		b := readInterop(t, name)
		if err := checkInterop(b, lists); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		// Each byte counts, but for the Base, which may be anything.
		records, err := parseInterop(b)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range records {
			for j := range r.data {
				r.data[j] ^= 8
				if err := r.check(lists[i]); (err == nil) != (j == 1) {
					t.Errorf("%s: byte %d of stream %d is changed: %v", name, j, r.streamID, err)
				}
				r.data[j] ^= 8
			}
			for j := r.offset - 12; j < r.offset; j++ {
				b[j] ^= 8
				if err := checkInterop(b, lists); err == nil {
					t.Errorf("%s: byte %d before stream %d is changed", name, j, r.streamID)
				}
				b[j] ^= 8
			}
		}
	}
}

// What our encoder makes of the lists is the same lists again.
func TestQPACKInteropRoundTrip(t *testing.T) {
	for i, list := range parseQIF(readInterop(t, "netbsd-hq.qif")) {
		w := newFieldWriter()
		for _, f := range list {
			w.add(f.Name, f.Value)
		}
		fields, err := decodeFields(w.block.Bytes(), 1<<20)
		if err != nil || !slices.Equal(fields, list) {
			t.Errorf("list %d: got %v, %v, want %v", i, fields, err, list)
		}
		w.release()
	}
}

func TestQPACKInteropErrors(t *testing.T) {
	want := map[int]error{
		9:  nil, // :authority without value
		10: nil, // x-xss-protection: 1; mode=block
		11: &connError{code: errCodeQPACKEncoderStream},
		12: &connError{code: errCodeQPACKEncoderStream},
	}
	for i := 1; i <= 12; i++ {
		records, err := parseInterop(readInterop(t, fmt.Sprintf("errors/err%d", i)))
		if err != nil || len(records) != 1 {
			t.Fatalf("err%d: %d records, %v", i, len(records), err)
		}
		r := records[0]
		if r.streamID == 0 {
			err = readEncoderStream(bufio.NewReader(bytes.NewReader(r.data)))
		} else {
			_, err = decodeFields(r.data, 1<<20)
		}
		wantErr, ok := want[i]
		if !ok {
			wantErr = &connError{code: ErrCodeQPACKDecompressionFailed}
		}
		got, isConnErr := err.(*connError)
		if wantErr == nil && err != nil || wantErr != nil && (!isConnErr || got.code != wantErr.(*connError).code) {
			t.Errorf("err%d: %x: got %v, want %v", i, r.data, err, wantErr)
		}
	}
}
