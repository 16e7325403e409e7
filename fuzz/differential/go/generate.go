package main

// The numbered sets of inputs: README.md, "The sets". Twins: ../generate.cpp, ../generate.py.

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"os"
	"sort"
	"strconv"
	"strings"

	"kcom5/core"
)

// act is what happens to an exchange: octets if event is empty, else an event of the spec's tables.
type act struct {
	event   string
	octets  []byte
	isAsked bool // to be given as the core asks for them
}

// input is a text for unpack, a port and a key for pack, a message to check, or an exchange.
type input struct {
	role                    byte // u unpack, p pack, m message, c client, s server
	anyOffset               bool
	port                    int
	octets                  []byte // u: the text, p: the key, m: the message, s: the message to send
	dataSize                uint64 // s
	messageLimit, dataLimit uint64
	start                   string // c, s: the event at the beginning, or empty
	acts                    []act
}

const (
	nonceHello = "KCOM5\xaa\xbb\xcc"
	noLimit    = math.MaxUint64
)

var limits = [...][2]uint64{{16 << 20, noLimit}, {16 << 20, noLimit}, {20, 3}, {0, 0}}

// The first half is well-formed UTF-8.
var pieces = [...]string{
	"", "a", "\x00", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf",
	"\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "\xef\xbb\xbf", "\r\n", "\xe2\x82\xac",
	"\xf1\x80\x80\x80",
	"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x7f", "\xe0\x9f\xbf", "\xe0\xa0",
	"\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf0\x90\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff",
	"\xef\xbf\xc0",
}

const (
	alphabet = "\x00\x41\x7f\x80\x8f\x90\x9f\xa0\xbf\xc2\xdf\xe0\xed\xef\xf0\xf4"
	edges    = "\x00\x01\x41\x7e\x7f\x80\x81\x8e\x8f\x90\x91\x9e\x9f\xa0\xa1\xbe" +
		"\xbf\xc0\xc1\xc2\xdf\xe0\xe1\xec\xed\xee\xef\xf0\xf1\xf3\xf4\xf5"
	oddCharacters     = ".09fFgG/: \n\x00+_\xd9x"
	addressCharacters = "0123456789aF.x +"
)

// Differences to the right length, or, from the eighth on, lengths.
var lengths = [...]uint64{0, 1, noLimit, 2, 0, 256, noLimit - 1, 0, 0, 1, 16777216, 16777217, 0x7fffffff, 0x100000000,
	0x8000000000000000, noLimit}

var ports = [...]string{"0", "1", "9", "10", "00001", "01", "1023", "13600", "65535", "65536", "065535", "99999",
	"100000", "655350", "4294980896", "18446744073709565216"}

var portNumbers = [...]int{0, 1, 9, 10, -1, 99999, 1023, 13600, 65535, 65536, 10000, 12345, 131072, -65535, 2147483647,
	-2147483647}

var groupCounts = [...]int{1, 2, 3, 4, 6, 8, 12, 16, 24, 48, 1, 2, 3, 48, 48, 24}

var starts = [...]string{"refused", "wrong", "timeout", "failure"}
var clientEvents = [...]string{"", "", "", "", "end", "end", "reset", "reset",
	"timeout", "timeout", "failure", "cancel", "connected", "sent", "acknowledged", "early-end"}

// "octets": three octets more.
var serverEvents = [...]string{"sent", "sent", "sent", "acknowledged", "acknowledged", "end", "end", "early-end",
	"early-end", "reset", "timeout", "failure", "cancel", "octets", "octets", "connected"}

var bases []input
var ends []uint64 // of each base in the set changes

// draws is SplitMix64.
type draws struct{ state uint64 }

func (d *draws) next() uint64 {
	d.state += 0x9e3779b97f4a7c15
	z := d.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func little(value uint64, size int) []byte {
	return binary.LittleEndian.AppendUint64(nil, value)[:size:size]
}

// spelt is sixteen octets, one for each half octet of the word, the highest first.
func spelt(word uint64, table string) (text []byte) {
	for shift := 60; shift >= 0; shift -= 4 {
		text = append(text, table[word>>shift&15])
	}
	return text
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// change changes an octet, loses octets at the end, loses one, or has one twice.
func change(text []byte, how, value uint64) []byte {
	if len(text) == 0 {
		return text
	}
	at := int(value&0xffff) % len(text)
	switch {
	case how < 2:
		text[at] ^= byte(1 + (value>>16&255)%255)
		return text
	case how == 2:
		return text[:at]
	case value>>24&1 == 1:
		return join(text[:at], text[at+1:])
	}
	return join(text[:at], text[at:at+1], text[at:])
}

// addPieces gives octet by octet, or cut at no, one or two places, which may be the ends.
func (in *input) addPieces(text []byte, how, value uint64) {
	add := func(octets []byte) { in.acts = append(in.acts, act{octets: octets}) }
	first, second := int(value&0xffff)%(len(text)+1), int(value>>16&0xffff)%(len(text)+1)
	switch {
	case how == 0:
		for i := range text {
			add(text[i : i+1])
		}
	case how < 6:
		add(text[:first])
		add(text[first:])
	case how < 9:
		if first > second {
			first, second = second, first
		}
		add(text[:first])
		add(text[first:second])
		add(text[second:])
	default:
		add(text)
	}
}

func counter(size int) (octets []byte) {
	for i := 0; i < size; i++ {
		octets = append(octets, byte(i))
	}
	return octets
}

func clientInput(w uint64, d *draws) input {
	in := input{role: 'c', messageLimit: limits[w>>4&3][0], dataLimit: limits[w>>4&3][1]}
	kind, how := w&3, w>>2&3
	piece := w >> 6 & 31
	run := bytes.Repeat([]byte("a"), int(w>>11&15))
	data := counter(int(w >> 15 & 7))
	value := d.next()
	var stream []byte
	switch {
	case kind < 2:
		message := join(run, []byte(pieces[piece&15]))
		stream = join([]byte(nonceHello), little(uint64(len(message)), 4), message, little(uint64(len(data)), 8), data)
		if kind == 1 {
			stream = change(stream, how, value>>32)
		}
	case kind == 2:
		message := join(run, []byte(pieces[piece]))
		ml, dl := lengths[value>>32&15], lengths[value>>36&15]
		if value>>32&15 < 8 {
			ml = uint64(len(message)) + lengths[value>>32&1]
		}
		if value>>36&15 < 8 {
			dl += uint64(len(data))
		}
		stream = join([]byte(nonceHello), little(ml, 4), message, little(dl, 8), data)
	default:
		stream = []byte(nonceHello[:2+2*how])
		if how == 3 {
			stream = append(stream, little(value>>32&15, 4)...)
		}
		stream = join(stream, spelt(d.next(), alphabet), little(value>>36&15, 8), data)
	}
	in.addPieces(stream, w>>18&15, value)
	for _, event := range []string{clientEvents[w>>22&15], clientEvents[w>>26&15]} {
		if event != "" {
			in.acts = append(in.acts, act{event: event})
		}
	}
	in.start = "connected"
	if w>>30&31 == 0 {
		in.start = starts[w>>35&3]
	}
	return in
}

func serverInput(w uint64, d *draws) input {
	in := input{role: 's', dataSize: lengths[w>>15&15]}
	kind, how := w&3, w>>2&3
	piece := w >> 4 & 31
	if w>>13&3 != 0 {
		piece &= 15
	}
	in.octets = join(bytes.Repeat([]byte("a"), int(w>>9&15)), []byte(pieces[piece]))
	value := d.next()
	hello := join([]byte("KCOM5"), little(value>>40, 3))
	switch kind {
	case 1:
		hello = change(hello, how, value>>32)
	case 2:
		hello = append(hello, counter(int(how))...)
	case 3:
		hello = join(hello[:2*how], spelt(d.next(), alphabet)[:value>>32&15])
	}
	in.addPieces(hello, w>>19&15, value)
	for shift := 23; shift < 39; shift += 4 {
		if event := serverEvents[w>>shift&15]; event == "octets" {
			in.acts = append(in.acts, act{octets: []byte{0x00, 0xff, 0x4b}})
		} else {
			in.acts = append(in.acts, act{event: event})
		}
	}
	in.start = "connected"
	if w>>39&31 == 0 {
		in.start = starts[w>>44&3]
	}
	return in
}

func addressInput(w uint64, d *draws) input {
	kind, how := w&3, w>>2&3
	value := d.next()
	size := groupCounts[w>>4&15]
	if kind == 2 {
		size = int(value&0xff) % 50
	}
	var key []byte
	for i := 0; i < size; i++ {
		key = append(key, byte(value>>(8*(i%8))))
	}
	if w>>8&7 == 0 {
		in := input{role: 'p', port: int(w >> 15 & 0xffff), octets: key}
		if kind == 2 {
			in.port = portNumbers[w>>11&15]
		}
		return in
	}
	text := strconv.AppendUint(nil, w>>15&0xffff, 10)
	if kind == 2 {
		text = []byte(ports[w>>11&15])
	}
	for _, octet := range key {
		text = append(text, '.')
		text = append(text, hex.EncodeToString([]byte{octet})...)
	}
	if w>>31&1 == 1 {
		text = bytes.ToUpper(text)
	}
	switch kind {
	case 1:
		at, odd := int(value>>16&0xffff)%len(text), oddCharacters[value>>32&15]
		switch {
		case how < 2:
			text[at] = odd
		case how == 2:
			text = join(text[:at], []byte{odd}, text[at:])
		default:
			text = join(text[:at], text[at+1:])
		}
	case 3:
		text = spelt(value, addressCharacters)[:1+w>>32&15]
	}
	return input{role: 'u', octets: text}
}

func randomInput(seed, index uint64) input {
	d := &draws{(&draws{seed}).next() + index*0xd1342543de82ef95}
	w := d.next()
	switch w & 7 {
	case 0:
		return addressInput(w>>3, d)
	case 1:
		return serverInput(w>>3, d)
	}
	return clientInput(w>>3, d)
}

// portsInput is every spelling of no to six digits, with 0 to 49 groups.
func portsInput(index uint64) input {
	size, spelling, length := index%50, index/50, 0
	for number := uint64(1); spelling >= number; number *= 10 {
		spelling -= number
		length++
	}
	var text []byte
	if length > 0 {
		text = []byte(fmt.Sprintf("%0*d", length, spelling))
	}
	for i := uint64(0); i < size; i++ {
		text = append(text, '.', "0123456789abcdef"[i>>4], "0123456789abcdef"[i&15])
	}
	return input{role: 'u', octets: text}
}

// cutsInput is every way to cut what a server sends, its message and its data having 0 to 2 octets: bit i of the mask
// is a cut after octet i + 1.
func cutsInput(index uint64) input {
	for message := 0; message < 3; message++ {
		for data := 0; data < 3; data++ {
			size := 20 + message + data
			if ways := uint64(1) << (size - 1); index >= ways {
				index -= ways
				continue
			}
			stream := join([]byte(nonceHello), little(uint64(message), 4), []byte("hi")[:message],
				little(uint64(data), 8), counter(data))
			in := input{role: 'c', messageLimit: 16 << 20, dataLimit: noLimit, start: "connected"}
			begin := 0
			for i := range stream {
				if i+1 < size && index>>i&1 == 0 {
					continue
				}
				in.acts = append(in.acts, act{octets: stream[begin : i+1]})
				begin = i + 1
			}
			return in
		}
	}
	panic("no such cut")
}

func (in *input) stream() *[]byte {
	if in.role == 'u' {
		return &in.octets
	}
	return &in.acts[len(in.acts)-1].octets
}

// changesInput is a base with one octet changed (and then an end), or cut off (and then an end, a reset or a timeout).
func changesInput(index uint64) input {
	found := sort.Search(len(ends), func(i int) bool { return ends[i] > index })
	if found > 0 {
		index -= ends[found-1]
	}
	in := bases[found]
	in.acts = append([]act(nil), in.acts...)
	stream, event := in.stream(), "end"
	octets := append([]byte(nil), *stream...)
	changes := uint64(len(octets)) * 255
	switch {
	case index < changes:
		octets[index/255] ^= byte(1 + index%255)
	case in.role == 'u':
		octets = octets[:index-changes]
	default:
		octets = octets[:(index-changes)/3]
		event = []string{"end", "reset", "timeout"}[(index-changes)%3]
	}
	*stream = octets
	if in.role != 'u' {
		in.acts = append(in.acts, act{event: event})
	}
	return in
}

func fromHex(text string) []byte {
	octets, err := hex.DecodeString(text)
	must(err)
	return octets
}

func number(text string) uint64 {
	value, err := strconv.ParseUint(text, 10, 64)
	must(err)
	return value
}

// limit reads a limit; `-` is the one that the core has by itself.
func limit(word string, usual uint64) uint64 {
	if word == "-" {
		return usual
	}
	return number(word)
}

// octetsOf reads parts joined by `+`: `x` and hexadecimal digits, or `r`, how many octets, `*` and the digits to repeat.
func octetsOf(word string) (octets []byte) {
	for _, part := range strings.Split(word, "+") {
		if part[0] == 'x' {
			octets = append(octets, fromHex(part[1:])...)
			continue
		}
		size, digits, _ := strings.Cut(part[1:], "*")
		fill, end := fromHex(digits), len(octets)+int(number(size))
		octets = append(octets, bytes.Repeat(fill, int(number(size))/len(fill)+1)...)[:end]
	}
	return octets
}

func load(path string) {
	text, err := os.ReadFile(path)
	must(err)
	bases, ends = nil, nil
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		words := strings.Fields(line)
		next := func() string {
			word := words[0]
			words = words[1:]
			return word
		}
		role := next()
		base := input{role: role[0], anyOffset: len(role) > 1} // `c?`: the offset is not looked at
		switch base.role {
		case 'c':
			limits := core.DefaultLimits()
			base.messageLimit, base.dataLimit = limit(next(), limits.Message), limit(next(), limits.Data)
		case 'p':
			base.port, err = strconv.Atoi(next())
			must(err)
			base.octets = octetsOf(next())
		case 'l':
			base.dataSize = number(next())
		default:
			base.octets = octetsOf(next())
			if base.role == 's' {
				base.dataSize = number(next())
			}
		}
		if base.role == 'c' || base.role == 's' {
			if base.start = next(); base.start == "-" {
				base.start = ""
			}
			for _, word := range words {
				if octets := strings.TrimPrefix(word, "a:"); octets[0] == 'x' {
					base.acts = append(base.acts, act{octets: octetsOf(octets), isAsked: octets != word})
				} else {
					base.acts = append(base.acts, act{event: word})
				}
			}
		}
		bases = append(bases, base)
		end := uint64(0)
		if len(ends) > 0 {
			end = ends[len(ends)-1]
		}
		switch {
		case base.role == 'u':
			end += 256 * uint64(len(base.octets))
		case len(base.acts) > 0:
			end += 258 * uint64(len(*base.stream()))
		}
		ends = append(ends, end)
	}
}

func sizeOf(set string) uint64 {
	switch set {
	case "random":
		return noLimit
	case "ports":
		return 50 * 1111111
	case "cuts":
		return 49 << 19
	case "utf8":
		return 1 << 32
	case "edges":
		return 1 << 20
	case "changes":
		return ends[len(ends)-1]
	case "replay":
		return uint64(len(bases))
	}
	panic("no set " + set)
}

func inputOf(set string, seed, index uint64) input {
	switch set {
	case "random":
		return randomInput(seed, index)
	case "ports":
		return portsInput(index)
	case "cuts":
		return cutsInput(index)
	case "changes":
		return changesInput(index)
	case "replay":
		return bases[index]
	case "edges":
		return input{role: 'm', octets: []byte{edges[index>>15&31], edges[index>>10&31], edges[index>>5&31], edges[index&31]}}
	case "utf8":
		return input{role: 'm', octets: []byte{byte(index >> 24), byte(index >> 16), byte(index >> 8), byte(index)}}
	}
	panic("no set " + set)
}

// words is the input in words.
func (in *input) words() string {
	switch in.role {
	case 'u':
		return fmt.Sprintf("unpack %x", in.octets)
	case 'p':
		return fmt.Sprintf("pack %d %x", in.port, in.octets)
	case 'm':
		return fmt.Sprintf("message %x", in.octets)
	case 'l':
		return fmt.Sprintf("message of %d", in.dataSize)
	}
	text := fmt.Sprintf("client, limits %d %d: ", in.messageLimit, in.dataLimit)
	if in.role == 's' {
		text = fmt.Sprintf("server, message %x, data of %d: ", in.octets, in.dataSize)
	}
	text += in.start
	for _, act := range in.acts {
		if act.event != "" {
			text += " | " + act.event
		} else if act.isAsked {
			text += fmt.Sprintf(" | as asked %x", act.octets)
		} else {
			text += fmt.Sprintf(" | %x", act.octets)
		}
	}
	return text
}
