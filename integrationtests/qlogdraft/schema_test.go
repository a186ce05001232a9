package qlogdraft

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A schema holds the definitions of a draft by name. A definition is a list of members, "name: type" or "name?: type", separated
// by commas, or in brackets a set of alternatives by the value of a member. A type is one of basicTypes, a set of texts
// "a|b|c", another definition, or a list of types in brackets.
type schema map[string]string

var hexstring = regexp.MustCompile(`^([0-9a-f]{2})*$`)

// basicTypes are what CDDL knows, and the texts with a pattern.
var basicTypes = map[string]func(v any) bool{
	"any":  func(any) bool { return true },
	"text": func(v any) bool { _, ok := v.(string); return ok },
	"bool": func(v any) bool { _, ok := v.(bool); return ok },
	"uint": func(v any) bool {
		n, ok := v.(json.Number)
		return ok && !strings.ContainsAny(n.String(), "-.e")
	},
	"float": func(v any) bool { _, ok := v.(json.Number); return ok },
	"hex": func(v any) bool {
		s, ok := v.(string)
		return ok && hexstring.MatchString(s)
	},
	"object": func(v any) bool { _, ok := v.(map[string]any); return ok },
	"CryptoError": func(v any) bool {
		s, _ := v.(string)
		return regexp.MustCompile(`^crypto_error_0x1[0-9a-f]{2}$`).MatchString(s)
	},
}

// A violation is what is wrong, and where: names of members with dots between them, frames by their types,
// and a text that is not in its set behind an equals sign.
type violation struct{ path, what string }

func (v violation) String() string { return v.path + ": " + v.what }

// check returns what is wrong with a value of the type.
func (s schema) check(path, typ string, v any) []violation {
	typ = strings.TrimSpace(typ)
	if ok := basicTypes[typ]; ok != nil {
		if !ok(v) {
			return []violation{{path, fmt.Sprintf("%v is not of the type %s", v, typ)}}
		}
		return nil
	}
	if inner, ok := strings.CutPrefix(typ, "["); ok {
		return s.checkList(path, strings.TrimSuffix(inner, "]"), v)
	}
	if def, ok := s[typ]; ok {
		if !strings.Contains(def, ":") {
			return s.check(path, def, v)
		}
		return s.checkObject(path, def, v)
	}
	return s.checkAlternatives(path, typ, v)
}

func (s schema) checkList(path, element string, v any) (found []violation) {
	list, ok := v.([]any)
	if !ok {
		return []violation{{path, fmt.Sprintf("%v is not a list", v)}}
	}
	for _, e := range list {
		found = append(found, s.check(path, element, e)...)
	}
	return found
}

// checkAlternatives checks texts, and names of types that begin with "=".
func (s schema) checkAlternatives(path, typ string, v any) []violation {
	for alternative := range strings.SplitSeq(typ, "|") {
		if name, isType := strings.CutPrefix(alternative, "="); isType && len(s.check(path, name, v)) == 0 || !isType && v == alternative {
			return nil
		}
	}
	return []violation{{fmt.Sprintf("%s=%v", path, v), "is none of " + typ}}
}

func (s schema) checkObject(path, def string, v any) (found []violation) {
	m, ok := v.(map[string]any)
	if !ok {
		return []violation{{path, fmt.Sprintf("%v is not an object", v)}}
	}
	known := make(map[string]bool)
	for member := range strings.SplitSeq(def, ",") {
		name, typ, _ := strings.Cut(strings.TrimSpace(member), ":")
		name, optional := strings.CutSuffix(name, "?")
		known[name] = true
		value, there := m[name]
		switch {
		case there:
			found = append(found, s.check(path+"."+name, typ, value)...)
		case !optional:
			found = append(found, violation{path + "." + name, "is missing"})
		}
	}
	for name := range m {
		if !known[name] {
			found = append(found, violation{path + "." + name, "is not a member"})
		}
	}
	return found
}

// A frame is checked as the definition "<kind>:<frame_type>"; the path goes on with the type.
func (s schema) checkFrame(path, kind string, v any) []violation {
	m, _ := v.(map[string]any)
	typ, _ := m["frame_type"].(string)
	def, ok := s[kind+" "+typ]
	if !ok {
		return []violation{{path + "." + typ, "is not a frame"}}
	}
	return s.checkObject(path+"."+typ, "frame_type: text, "+def, v)
}

// checkEvent checks a record, decoded, against its schema.
func checkEvent(record map[string]any) []violation {
	name, _ := record["name"].(string)
	own := name
	if other, ok := renamed[name]; ok {
		name = other
	}
	space, event, _ := strings.Cut(name, ":")
	s := schemas[space]
	if _, ok := s["event "+event]; !ok {
		return []violation{{own, "is not an event"}}
	}
	data, _ := record["data"].(map[string]any)
	frames := takeFrames(data)
	found := s.check(own, "event "+event, data)
	for _, f := range frames {
		for _, v := range s.checkFrame("", "frame", f) {
			found = append(found, violation{"frame" + v.path, v.what})
		}
	}
	for _, member := range slices.Sorted(keys(record)) {
		if !slices.Contains([]string{"time", "name", "data"}, member) {
			found = append(found, violation{member, "is not a member of an event"})
		}
	}
	return append(found, schemas["main"].check("time", "float", record["time"])...)
}

func keys(m map[string]any) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// takeFrames removes the frames of a packet, or the one of an HTTP/3 event.
func takeFrames(data map[string]any) []any {
	frames, _ := data["frames"].([]any)
	delete(data, "frames")
	if f, ok := data["frame"]; ok {
		frames = append(frames, f)
		delete(data, "frame")
	}
	return frames
}

// A judge collects violations and compares them with the deviations.
type judge struct {
	seen map[string]bool
}

func (j *judge) record(t *testing.T, line string) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(line))
	d.UseNumber()
	var record map[string]any
	if err := d.Decode(&record); err != nil {
		t.Errorf("%s: %v", line, err)
		return
	}
	for _, v := range checkEvent(record) {
		if _, ok := deviations[v.path]; !ok {
			t.Errorf("%s in %s", v, line)
		}
		if j.seen == nil {
			j.seen = make(map[string]bool)
		}
		j.seen[v.path] = true
	}
}

// checkHeader checks the first record of a file.
func checkHeader(t *testing.T, line string) {
	t.Helper()
	var record map[string]any
	if err := json.Unmarshal([]byte(line), &record); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	for _, v := range mainSchema.check("header", "header", record) {
		if _, ok := headerDeviations[v.path]; !ok {
			t.Errorf("%s in %s", v, line)
		}
	}
}

// The checker has to find what is wrong.
func TestSchemaFindsFaults(t *testing.T) {
	tests := []struct{ record, want string }{
		{`{"time":0,"name":"quic:nonsense","data":{}}`, "quic:nonsense: is not an event"},
		{`{"time":0,"name":"quic:stream_state_updated","data":{"new":"send","stream_side":"sending"}}`, "quic:stream_state_updated.stream_id: is missing"},
		{`{"time":0,"name":"quic:stream_state_updated","data":{"stream_id":-1,"new":"send","stream_side":"sending"}}`, "quic:stream_state_updated.stream_id: -1 is not of the type uint"},
		{`{"time":0,"name":"quic:stream_state_updated","data":{"stream_id":1,"new":"gone","stream_side":"sending"}}`, "quic:stream_state_updated.new=gone: is none of"},
		{`{"time":0,"name":"quic:mtu_updated","data":{"new":1,"more":2}}`, "quic:mtu_updated.more: is not a member"},
		{`{"time":0,"name":"quic:packet_lost","data":{"header":{"packet_type":"2RTT"}}}`, "quic:packet_lost.header.packet_type=2RTT: is none of"},
		{`{"time":0,"name":"quic:packet_lost","data":{"frames":[{"frame_type":"crypto","offset":"x"}]}}`, "frame.crypto.raw: is missing"},
		{`{"time":0,"name":"quic:packet_lost","data":{"frames":[{"frame_type":"cry"}]}}`, "frame.cry: is not a frame"},
		{`{"time":0,"name":"quic:packet_sent","data":{"header":{"packet_type":"initial","dcid":"abc"}}}`, "quic:packet_sent.header.dcid: abc is not of the type hex"},
		{`{"time":"0","name":"quic:packet_lost","data":{},"x":1}`, "time: 0 is not of the type float"},
		{`{"time":"0","name":"quic:packet_lost","data":{},"x":1}`, "x: is not a member of an event"},
	}
	for _, test := range tests {
		var record map[string]any
		d := json.NewDecoder(strings.NewReader(test.record))
		d.UseNumber()
		if err := d.Decode(&record); err != nil {
			t.Fatal(err)
		}
		found := checkEvent(record)
		if !slices.ContainsFunc(found, func(v violation) bool { return strings.HasPrefix(v.String(), test.want) }) {
			t.Errorf("%s: found %v, want %s", test.record, found, test.want)
		}
	}
}
