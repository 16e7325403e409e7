// The Go core's peer: runs numbered inputs through the core and answers with digests. What it is asked: ../README.md.
package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"strings"
	"unsafe"

	"kcom5/core"
)

// outcomes are the names of the spec's table of errors, in its order. 0 is success, 15 an exchange that has not ended.
var outcomes = [...]string{"ok", "invalid-address", "invalid-key", "invalid-port", "message-not-utf8",
	"message-too-long", "in-use", "refused", "timeout", "io", "invalid-connection", "truncated", "malformed-message",
	"over-limit", "unconfirmed", "not ended"}

const notEnded = 15

const (
	helloSent  = 1
	halfClosed = 2

	askedWrongly = 4
)

// outcomeOf is the place of the error's name in the spec's table.
func outcomeOf(err error) byte {
	if err == nil {
		return 0
	}
	var failure *core.Error
	if errors.As(err, &failure) {
		for i, name := range outcomes[:notEnded] {
			if name == string(failure.Name) && failure.Name.Family() == familyOf(i) {
				return byte(i)
			}
		}
	}
	panic(fmt.Sprintf("an error that the spec does not have: %v", err))
}

// familyOf is the family of a place in the table.
func familyOf(place int) string {
	switch {
	case place < 6:
		return "usage"
	case place < 10:
		return "transport"
	}
	return "protocol"
}

func ended(state core.State, err error) byte {
	if state != core.Done && err == nil {
		return notEnded
	}
	return outcomeOf(err)
}

func (in *input) unpack(record []byte) []byte {
	text := string(in.octets)
	port, key, err := core.Unpack(text)
	record = append(record, outcomeOf(err))
	if err != nil {
		return record
	}
	record = append(binary.LittleEndian.AppendUint16(record, uint16(port)), key...)
	packed, _ := core.Pack(port, key[:strings.Count(text, ".")])
	return append(record, packed...)
}

func (in *input) pack(record []byte) []byte {
	text, err := core.Pack(in.port, in.octets)
	return append(append(record, outcomeOf(err)), text...)
}

func (in *input) offset(consumed uint64) uint32 {
	if in.anyOffset {
		return 0
	}
	return uint32(consumed)
}

// feed gives octets, and keeps those of the data. It tells how many were taken.
func feed(x *core.ClientExchange, octets []byte, data *[]byte) int {
	taken := x.Feed(octets)
	rest := octets[taken:]
	if x.State() != core.Data {
		return taken
	}
	if uint64(len(rest)) > x.Needed() {
		rest = rest[:x.Needed()]
	}
	*data = append(*data, rest...)
	x.Arrived(uint64(len(rest)))
	x.Delivered()
	return taken + len(rest)
}

// feedAsAsked gives octets field by field: one octet, then as many as the field still needs. It tells whether each piece
// was taken, and the last of a field was its last.
func feedAsAsked(x *core.ClientExchange, octets []byte, data *[]byte) bool {
	isFirst := true
	for len(octets) > 0 && x.State() != core.Done && x.State() != core.Failed {
		before, needed, piece := x.State(), x.Needed(), octets
		if isFirst {
			piece = piece[:1]
		} else if needed < uint64(len(piece)) {
			piece = piece[:needed]
		}
		if needed == 0 {
			return false
		}
		taken := feed(x, piece, data)
		if x.Err() != nil {
			return true
		}
		if taken != len(piece) {
			return false
		}
		octets = octets[taken:]
		isFirst = x.State() != before
		if isFirst != (uint64(taken) == needed) {
			return false
		}
	}
	return true
}

// tell gives an event; "wrong" is a peer of another user.
func tell(x interface {
	On(core.Event) core.Action
	RefusePeer()
}, event string) core.Action {
	if event == "wrong" {
		x.RefusePeer()
		return core.Nothing
	}
	return x.On(core.Event(event))
}

func (in *input) receive(record []byte) []byte {
	x := core.NewClientExchange([3]byte{0xaa, 0xbb, 0xcc}, core.Limits{Message: in.messageLimit, Data: in.dataLimit})
	flags, data := byte(0), []byte(nil)
	take := func(event string) {
		if tell(x, event) == core.SendHello && string(x.Hello()) == core.Magic+"\xaa\xbb\xcc" {
			flags |= helloSent
		}
	}
	if in.start != "" {
		take(in.start)
	}
	for _, act := range in.acts {
		if act.event != "" {
			take(act.event)
			continue
		}
		if !act.isAsked {
			feed(x, act.octets, &data)
		} else if !feedAsAsked(x, act.octets, &data) {
			flags |= askedWrongly
		}
	}
	outcome := ended(x.State(), x.Err())
	record = binary.LittleEndian.AppendUint32(append(record, outcome, flags), in.offset(x.Consumed()))
	switch outcome {
	case 0:
		record = binary.LittleEndian.AppendUint32(record, uint32(len(x.Message())))
		record = binary.LittleEndian.AppendUint64(append(record, x.Message()...), x.DataLength())
		record = append(record, data...)
	case notEnded:
		record = binary.LittleEndian.AppendUint64(record, x.Needed())
	}
	return record
}

func (in *input) serve(record []byte) []byte {
	message := string(in.octets)
	if err := core.CheckMessage(message); err != nil {
		return append(record, outcomeOf(err))
	}
	x := core.NewServerExchange(message, in.dataSize)
	flags, sent := byte(0), []byte(nil)
	if in.start != "" {
		tell(x, in.start)
	}
	for _, act := range in.acts {
		if act.event != "" {
			if tell(x, act.event) == core.HalfClose {
				flags |= halfClosed
			}
		} else if x.Feed(act.octets) == core.SendEchoAndFrame {
			sent = append(sent, x.Head()...)
		}
	}
	record = binary.LittleEndian.AppendUint32(append(record, ended(x.State(), x.Err()), flags), in.offset(x.Consumed()))
	return append(binary.LittleEndian.AppendUint32(record, uint32(len(sent))), sent...)
}

// absent is a string whose octets are not there: its length may be looked at, and nothing else.
func absent(size uint64) string {
	header := struct {
		octets *byte
		size   int
	}{new(byte), int(size)}
	return *(*string)(unsafe.Pointer(&header))
}

func (in *input) run(record []byte) []byte {
	switch in.role {
	case 'u':
		return in.unpack(record)
	case 'p':
		return in.pack(record)
	case 'm':
		return append(record, outcomeOf(core.CheckMessage(string(in.octets))))
	case 'l':
		return append(record, outcomeOf(core.CheckMessage(absent(in.dataSize))))
	case 'c':
		return in.receive(record)
	}
	return in.serve(record)
}

func digest(set string, seed, first, count uint64) string {
	var counts [len(outcomes)]uint64
	checksum, record := uint32(0), []byte(nil)
	for index := first; index < first+count; index++ {
		in := inputOf(set, seed, index)
		start := len(record)
		record = in.run(record)
		counts[record[start]]++
		if len(record) > 1<<16 || index == first+count-1 {
			checksum = crc32.Update(checksum, crc32.IEEETable, record)
			record = record[:0]
		}
	}
	answer := fmt.Sprintf("%x", checksum)
	for _, number := range counts {
		answer += fmt.Sprintf(" %d", number)
	}
	return answer
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var verb, name string
		var seed, first, count uint64
		fmt.Sscan(lines.Text(), &verb, &name, &seed, &first, &count)
		switch verb {
		case "load":
			load(lines.Text()[5:])
			fmt.Println(sizeOf("replay"))
		case "size":
			fmt.Println(sizeOf(name))
		case "digest":
			fmt.Println(digest(name, seed, first, count))
		case "show":
			in := inputOf(name, seed, first)
			record := in.run(nil)
			fmt.Printf("%s => %s %x\n", in.words(), outcomes[record[0]], record)
		default:
			panic("no such question: " + lines.Text())
		}
	}
	must(lines.Err())
}
