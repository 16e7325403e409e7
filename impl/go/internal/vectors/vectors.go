// Package vectors loads the golden vectors for the tests: vectors/README.md. The tests decide what they do with a
// vector.
package vectors

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Octets are fixed, or pairs in which n0, n1 and n2 stand for octets of a nonce.
type Octets struct {
	fixed []byte
	pairs []string
}

// Text is a message.
type Text string

// Step is one thing that the peer does or must see.
type Step struct {
	Do     string
	Word   string   // of a step that has one
	octets []Octets // of send and expect
}

// Outcome is how the exchange must end.
type Outcome struct {
	OK            bool
	Error         string
	Message       Text
	Data          Octets
	At            *uint64
	After, Within int
	Path, Nonce   string
	Confirmed     *bool
}

// Vector is a conversation, or a row if Op is not empty.
type Vector struct {
	ID, Rule, Level, Role, Note string

	Op, Error string // Error: of a row
	In, Out   json.RawMessage

	Give struct {
		Message Text
		Data    Octets
		Close   *int
		Port    any // a number, or "default"
		Limits  struct{ Message, Data *uint64 }
	}
	Steps         []Step
	Outcome       Outcome
	Via           []string
	Setup, Pieces string
	Live          bool
	Times         int
}

// Load returns every vector of the directory.
func Load(directory string) (all []Vector, err error) {
	defer func() {
		if problem := recover(); problem != nil {
			err = fmt.Errorf("vectors: %v", problem)
		}
	}()
	files, err := filepath.Glob(filepath.Join(directory, "*.json"))
	must(err)
	for _, file := range files {
		if filepath.Base(file) == "schema.json" {
			continue
		}
		text, err := os.ReadFile(file)
		must(err)
		var document struct {
			About   string
			Vectors []Vector
		}
		Decode(text, &document)
		all = append(all, document.Vectors...)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("vectors: none in %s", directory)
	}
	return all, nil
}

// With returns the octets for a nonce; their number does not depend on it.
func (o Octets) With(nonce [3]byte) []byte {
	octets := o.fixed
	for _, pair := range o.pairs {
		digits, mask, _ := strings.Cut(pair, "^")
		if digits[0] == 'n' {
			octets = append(octets, nonce[digits[1]-'0'])
		} else {
			octets = append(octets, Hex(digits)...)
		}
		if mask != "" {
			octets[len(octets)-1] ^= Hex(mask)[0]
		}
	}
	return octets
}

// Octets returns all octets of a step.
func (s Step) Octets(nonce [3]byte) (all []byte) {
	if len(s.octets) == 1 {
		return s.octets[0].With(nonce)
	}
	for _, octets := range s.octets {
		all = append(all, octets.With(nonce)...)
	}
	return all
}

func (o *Octets) UnmarshalJSON(text []byte) error {
	if text[0] == '"' {
		var pairs string
		Decode(text, &pairs)
		o.pairs = strings.Fields(pairs)
		return nil
	}
	var object struct {
		Text, Hex, Fill string
		Size            int
	}
	Decode(text, &object)
	o.fixed = append([]byte(object.Text), Hex(object.Hex)...)
	if object.Fill == "counter251" {
		for i := 0; i < object.Size; i++ {
			o.fixed = append(o.fixed, byte(i%251))
		}
	} else {
		o.fixed = append(o.fixed, bytes.Repeat(Hex(object.Fill), object.Size)...)
	}
	return nil
}

func (t *Text) UnmarshalJSON(text []byte) error {
	if text[0] == '"' {
		return json.Unmarshal(text, (*string)(t))
	}
	var octets Octets
	err := octets.UnmarshalJSON(text)
	*t = Text(octets.fixed)
	return err
}

func (s *Step) UnmarshalJSON(text []byte) error {
	var words []json.RawMessage
	Decode(text, &words)
	Decode(words[0], &s.Do)
	for _, word := range words[1:] {
		if s.Do == "send" || s.Do == "expect" {
			s.octets = append(s.octets, Octets{})
			Decode(word, &s.octets[len(s.octets)-1])
		} else {
			Decode(word, &s.Word)
		}
	}
	return nil
}

// Hex returns the octets of hexadecimal pairs.
func Hex(pairs string) []byte {
	octets, err := hex.DecodeString(strings.ReplaceAll(pairs, " ", ""))
	must(err)
	return octets
}

// Decode reads JSON, and rejects keys that the value does not have.
func Decode(text []byte, to any) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	must(decoder.Decode(to))
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
