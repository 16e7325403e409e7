// Package vectors loads the golden vectors for the tests: vectors/README.md. Its families are made members here; what
// is done with a vector is the tests' affair.
package vectors

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Octets gives octets for a nonce; their number does not depend on it.
type Octets func(nonce [3]byte) []byte

// Step is one thing that the peer does or must see.
type Step struct {
	Do     string
	Octets Octets // of send and expect
	Word   string // of the others that have one
}

// Outcome is how the exchange must end.
type Outcome struct {
	Error         string
	Message       string
	Data          Octets
	At            *uint64
	After, Within int
	Path, Nonce   string
	Confirmed     *bool
}

// Vector is a conversation, or a row if Op is not empty.
type Vector struct {
	ID, Rule string

	Op, In string // In is the address to unpack
	Size   int    // of the message to check
	Port   int
	Key    []byte
	Out    string // an address, or "port key"

	Role           string
	Message        string
	Data           Octets
	Close          *int
	GivenPort      *int
	IsDefaultPort  bool
	MessageLimit   *uint64
	DataLimit      *uint64
	Steps          []Step
	Outcome        Outcome
	Via            []string
	Setup          string
	IsFixed, Live  bool
	Times          int
	sent           Octets // all that the peer sends, joined
	afterLastSends []Step
}

type entry struct {
	ID, Rule, Level, Role, Note, Op, Error, Family, Of, By, Field, Setup, Pieces string

	In, Out json.RawMessage
	Give    struct {
		Message, Data, Port json.RawMessage
		Close               *int
		Limits              struct{ Message, Data *uint64 }
	}
	Steps   [][]json.RawMessage
	Outcome struct {
		OK                 bool
		Error, Path, Nonce string
		Message, Data      json.RawMessage
		At                 *uint64
		After, Within      int
		Confirmed          *bool
	}
	Via    []string
	Live   bool
	Times  int
	Errors map[string]string
	Octets int
	Values []json.RawMessage
}

// Load gives every vector of the directory, families unfolded.
func Load(directory string) (all []Vector, err error) {
	defer func() {
		if problem := recover(); problem != nil {
			err = fmt.Errorf("vectors: %v", problem)
		}
	}()
	files, err := filepath.Glob(filepath.Join(directory, "*.json"))
	must(err)
	var entries []entry
	for _, file := range files {
		if filepath.Base(file) == "schema.json" {
			continue
		}
		text, err := os.ReadFile(file)
		must(err)
		var document struct {
			About   string
			Vectors []entry
		}
		decode(text, &document)
		entries = append(entries, document.Vectors...)
	}
	byID := map[string]Vector{}
	for _, entry := range entries {
		if entry.Family == "" {
			vector := single(entry)
			byID[entry.ID] = vector
			all = append(all, vector)
		}
	}
	for _, entry := range entries {
		if entry.Family != "" {
			all = append(all, members(entry, byID[entry.Of])...)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("vectors: none in %s", directory)
	}
	return all, nil
}

func single(e entry) Vector {
	v := Vector{ID: e.ID, Rule: e.Rule, Op: e.Op, Role: e.Role, Close: e.Give.Close, Via: e.Via, Setup: e.Setup,
		IsFixed: e.Pieces == "fixed", Live: e.Live, Times: e.Times}
	v.Outcome = Outcome{Error: e.Outcome.Error, At: e.Outcome.At, After: e.Outcome.After, Within: e.Outcome.Within,
		Path: e.Outcome.Path, Nonce: e.Outcome.Nonce, Confirmed: e.Outcome.Confirmed}
	switch e.Op {
	case "pack":
		var in struct {
			Port int
			Key  string
		}
		decode(e.In, &in)
		v.Port, v.Key = in.Port, fromHex(in.Key)
		v.Outcome.Error = e.Error
		if e.Error == "" {
			decode(e.Out, &v.Out)
		}
		return v
	case "unpack":
		decode(e.In, &v.In)
		v.Outcome.Error = e.Error
		if e.Error == "" {
			var out struct {
				Port int
				Key  string
			}
			decode(e.Out, &out)
			v.Out = fmt.Sprintf("%d %x", out.Port, fromHex(out.Key))
		}
		return v
	case "message":
		var in struct {
			Size int
			Fill string
		}
		decode(e.In, &in)
		v.Size, v.Outcome.Error = in.Size, e.Error
		return v
	}
	v.Message, v.Data = text(e.Give.Message), octets(e.Give.Data)
	v.MessageLimit, v.DataLimit = e.Give.Limits.Message, e.Give.Limits.Data
	if v.IsDefaultPort = string(e.Give.Port) == `"default"`; !v.IsDefaultPort && e.Give.Port != nil {
		decode(e.Give.Port, &v.GivenPort)
	}
	v.Outcome.Message, v.Outcome.Data = text(e.Outcome.Message), octets(e.Outcome.Data)
	for _, words := range e.Steps {
		var step Step
		decode(words[0], &step.Do)
		if step.Do == "send" || step.Do == "expect" {
			step.Octets = joined(words[1:])
		} else if len(words) > 1 {
			decode(words[1], &step.Word)
		}
		v.Steps = append(v.Steps, step)
		if step.Do == "send" {
			v.sent = concat(v.sent, step.Octets)
			v.afterLastSends = nil
		} else {
			v.afterLastSends = append(v.afterLastSends, step)
		}
	}
	if v.Times == 0 {
		v.Times = 1
	}
	return v
}

func joined(parts []json.RawMessage) (all Octets) {
	all = fixed(nil)
	for _, part := range parts {
		all = concat(all, octets(part))
	}
	return all
}

func concat(a, b Octets) Octets {
	if a == nil {
		return b
	}
	return func(nonce [3]byte) []byte { return append(append([]byte(nil), a(nonce)...), b(nonce)...) }
}

func fixed(octets []byte) Octets { return func([3]byte) []byte { return octets } }

func octets(raw json.RawMessage) Octets {
	if raw == nil {
		return fixed(nil)
	}
	if raw[0] == '{' {
		return fixed([]byte(text(raw)))
	}
	var words string
	decode(raw, &words)
	return func(nonce [3]byte) (octets []byte) {
		for _, word := range strings.Fields(words) {
			digits, mask, _ := strings.Cut(word, "^")
			var octet byte
			if digits[0] == 'n' {
				octet = nonce[digits[1]-'0']
			} else {
				octet = fromHex(digits)[0]
			}
			if mask != "" {
				octet ^= fromHex(mask)[0]
			}
			octets = append(octets, octet)
		}
		return octets
	}
}

// text is a string as it stands, {"text": …} or a fill.
func text(raw json.RawMessage) (plain string) {
	if raw == nil {
		return ""
	}
	if raw[0] != '{' {
		decode(raw, &plain)
		return plain
	}
	var object struct {
		Text, Fill string
		Size       int
	}
	decode(raw, &object)
	if object.Fill == "" {
		return object.Text
	}
	if object.Fill != "counter251" {
		return strings.Repeat(string(fromHex(object.Fill)), object.Size)
	}
	octets := make([]byte, object.Size)
	for i := range octets {
		octets[i] = byte(i % 251)
	}
	return string(octets)
}

func fromHex(digits string) []byte {
	octets, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
	must(err)
	return octets
}

func number(digits string) int {
	value, err := strconv.Atoi(digits)
	must(err)
	return value
}

func decode(text []byte, to any) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	must(decoder.Decode(to))
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
