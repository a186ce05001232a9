package quic

import (
	"context"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go/qlogwriter"
)

func TestConfigDefaults(t *testing.T) {
	for _, c := range []*Config{nil, {}} {
		if err := validateConfig(c); err != nil {
			t.Fatal(err)
		}
		got := populateConfig(c)
		want := &Config{
			Versions:                       []Version{Version1, Version2},
			HandshakeIdleTimeout:           5 * time.Second,
			MaxIdleTimeout:                 30 * time.Second,
			InitialStreamReceiveWindow:     512 << 10,
			MaxStreamReceiveWindow:         6 << 20,
			InitialConnectionReceiveWindow: 768 << 10,
			MaxConnectionReceiveWindow:     15 << 20,
			MaxIncomingStreams:             100,
			MaxIncomingUniStreams:          100,
			InitialPacketSize:              1280,
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("populateConfig(%v) = %+v, want %+v", c, got, want)
		}
	}
}

func TestConfigDefaultsAreNotWrittenBack(t *testing.T) {
	c := &Config{}
	if err := validateConfig(c); err != nil {
		t.Fatal(err)
	}
	populateConfig(c)
	if !reflect.DeepEqual(c, &Config{}) {
		t.Errorf("the Config became %+v, want it unchanged", c)
	}
}

func TestConfigClipping(t *testing.T) {
	c := &Config{
		InitialStreamReceiveWindow:     math.MaxUint64,
		MaxStreamReceiveWindow:         1 << 62,
		InitialConnectionReceiveWindow: 1 << 63,
		MaxConnectionReceiveWindow:     1 << 62,
		MaxIncomingStreams:             math.MaxInt64,
		MaxIncomingUniStreams:          1<<60 + 1,
		InitialPacketSize:              1,
	}
	if err := validateConfig(c); err != nil {
		t.Fatal(err)
	}
	want := &Config{
		InitialStreamReceiveWindow:     1<<62 - 1,
		MaxStreamReceiveWindow:         1<<62 - 1,
		InitialConnectionReceiveWindow: 1<<62 - 1,
		MaxConnectionReceiveWindow:     1<<62 - 1,
		MaxIncomingStreams:             1 << 60,
		MaxIncomingUniStreams:          1 << 60,
		InitialPacketSize:              1200,
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("the Config became %+v, want %+v", c, want)
	}
}

func TestConfigPacketSize(t *testing.T) {
	for _, tc := range []struct{ size, want uint16 }{
		{0, 1280}, {1199, 1200}, {1200, 1200}, {1300, 1300}, {1452, 1452}, {1453, 1452}, {9000, 1452},
	} {
		c := &Config{InitialPacketSize: tc.size}
		if err := validateConfig(c); err != nil {
			t.Fatal(err)
		}
		if got := populateConfig(c).InitialPacketSize; got != tc.want {
			t.Errorf("InitialPacketSize %d is used as %d, want %d", tc.size, got, tc.want)
		}
	}
}

func TestConfigLimitsThatMeanNone(t *testing.T) {
	got := populateConfig(&Config{MaxIncomingStreams: -1, MaxIncomingUniStreams: -7, KeepAlivePeriod: -1})
	if got.MaxIncomingStreams != 0 || got.MaxIncomingUniStreams != 0 || got.KeepAlivePeriod != 0 {
		t.Errorf("negative limits are used as %d, %d and %v, want 0", got.MaxIncomingStreams, got.MaxIncomingUniStreams,
			got.KeepAlivePeriod)
	}
}

func TestConfigInitialWindowAboveMaximum(t *testing.T) {
	got := populateConfig(&Config{InitialStreamReceiveWindow: 7 << 20, InitialConnectionReceiveWindow: 16 << 20})
	if got.InitialStreamReceiveWindow != 7<<20 || got.InitialConnectionReceiveWindow != 16<<20 {
		t.Errorf("initial windows are %d and %d, want them as set", got.InitialStreamReceiveWindow,
			got.InitialConnectionReceiveWindow)
	}
}

func TestConfigVersions(t *testing.T) {
	const want = "invalid QUIC version: 0x1234"
	if err := validateConfig(&Config{Versions: []Version{Version1, 0x1234}}); err == nil || err.Error() != want {
		t.Errorf("validateConfig = %v, want %s", err, want)
	}
	c := &Config{Versions: []Version{Version2}}
	if err := validateConfig(c); err != nil {
		t.Fatal(err)
	}
	effective := populateConfig(c)
	c.Versions[0] = Version1
	if effective.Versions[0] != Version2 {
		t.Error("the effective versions change with the Config")
	}
}

func TestConfigCloneIsShallow(t *testing.T) {
	c := nonZeroConfig(t)
	clone := c.Clone()
	if clone == c {
		t.Fatal("Clone returned the Config itself")
	}
	got, want := reflect.ValueOf(*clone), reflect.ValueOf(*c)
	for i := range got.NumField() {
		if got.Field(i).Kind() != reflect.Func && !reflect.DeepEqual(got.Field(i).Interface(), want.Field(i).Interface()) {
			t.Errorf("%s differs in the clone", got.Type().Field(i).Name)
		}
		if got.Field(i).Kind() == reflect.Func && got.Field(i).IsNil() {
			t.Errorf("%s is nil in the clone", got.Type().Field(i).Name)
		}
	}
	c.Versions[0] = Version2
	if clone.Versions[0] != Version2 {
		t.Error("Versions is not shared with the clone")
	}
}

// populateConfig must not lose a field that is added later.
func TestPopulateKeepsWhatIsSet(t *testing.T) {
	c := nonZeroConfig(t)
	got, want := reflect.ValueOf(*populateConfig(c)), reflect.ValueOf(*c)
	for i := range got.NumField() {
		name := got.Type().Field(i).Name
		switch {
		case got.Field(i).Kind() == reflect.Func:
			if got.Field(i).IsNil() {
				t.Errorf("%s is lost", name)
			}
		case strings.HasPrefix(name, "Max") && strings.HasSuffix(name, "Window"):
		case !reflect.DeepEqual(got.Field(i).Interface(), want.Field(i).Interface()):
			t.Errorf("%s = %v, want %v", name, got.Field(i), want.Field(i))
		}
	}
}

// nonZeroConfig returns a Config in which every field is set.
func nonZeroConfig(t *testing.T) *Config {
	t.Helper()
	c := &Config{
		GetConfigForClient:            func(*ClientInfo) (*Config, error) { return nil, nil },
		Versions:                      []Version{Version1},
		TokenStore:                    NewLRUTokenStore(1, 1),
		AllowConnectionWindowIncrease: func(*Conn, uint64) bool { return false },
		Tracer:                        func(context.Context, bool, ConnectionID) qlogwriter.Trace { return nil },
	}
	v := reflect.ValueOf(c).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Int64:
			f.SetInt(int64(1000 + i))
		case reflect.Uint64, reflect.Uint16:
			f.SetUint(uint64(1210 + i))
		case reflect.Func, reflect.Slice, reflect.Interface:
			if f.IsNil() {
				t.Fatalf("no value for %s", v.Type().Field(i).Name)
			}
		default:
			t.Fatalf("no value for %s", v.Type().Field(i).Name)
		}
	}
	return c
}
