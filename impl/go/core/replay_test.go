package core

// Every vector through the core. impl/tests/replay_vectors.py reads the vectors, and asks this peer of
// fuzz/differential/README.md.

import (
	"encoding/binary"
	"io"
	"math"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"unsafe"
)

var order = binary.LittleEndian

func TestEveryVectorComesOutTheSameInEveryWay(t *testing.T) {
	replay := exec.Command("python3", "../../tests/replay_vectors.py")
	replay.Stderr = os.Stderr
	answers, err := replay.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	questions, err := replay.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := replay.Start(); err != nil {
		t.Skip("NOT RUN: the vectors:", err)
	}
	outcomes := outcomesOfTheSpec(t)
	var size uint32
	for binary.Read(questions, order, &size) == nil {
		block := make(input, size)
		io.ReadFull(questions, block)
		block.take(4) // the size of its only input
		outcome, details := answerTo(block)
		answer := order.AppendUint32(nil, uint32(9+len(details)))
		answer = append(order.AppendUint32(answer, 1), outcomes[outcome])
		answer = append(order.AppendUint32(answer, uint32(len(details))), details...)
		answers.Write(answer)
	}
	if err := replay.Wait(); err != nil {
		t.Error(err)
	}
}

const notEnded = "not ended"

// outcomesOfTheSpec numbers the outcomes: success, the errors in the order of the spec, and an exchange that goes on.
func outcomesOfTheSpec(t *testing.T) map[string]byte {
	spec, err := os.ReadFile("../../../spec/kcom5.md")
	if err != nil {
		t.Fatal(err)
	}
	numbers := map[string]byte{"": 0}
	rows := regexp.MustCompile("(?m)^\\| `([-a-z0-9]+)` \\| (usage|transport|protocol) \\|")
	for i, row := range rows.FindAllSubmatch(spec, -1) {
		if name := Name(row[1]); name.Family() != string(row[2]) {
			t.Errorf("%s is of the family %s", name, name.Family())
		}
		numbers[string(row[1])] = byte(i + 1)
	}
	numbers[notEnded] = byte(len(numbers))
	return numbers
}

// input is what is left of an input.
type input []byte

func (in *input) take(size int) []byte {
	taken := (*in)[:size]
	*in = (*in)[size:]
	return taken
}

func (in *input) number() uint64 { return order.Uint64(in.take(8)) }

func (in *input) sized() []byte { return in.take(int(order.Uint32(in.take(4)))) }

// answerTo returns the outcome and the details of an input.
func answerTo(in input) (string, []byte) {
	switch in.take(1)[0] {
	case 'u':
		port, key, err := Unpack(string(in))
		if err != nil {
			return nameOf(err), nil
		}
		packed, err := Pack(port, key[:strings.Count(string(in), ".")])
		return nameOf(err), append(append(order.AppendUint16(nil, uint16(port)), key...), packed...)
	case 'p':
		address, err := Pack(int(in.number()), in)
		return nameOf(err), []byte(address)
	case 'l':
		return nameOf(CheckMessage(absent(int(in.number())))), nil
	case 'c':
		return receive(in)
	}
	return serve(in)
}

func nameOf(err error) string {
	if err == nil {
		return ""
	}
	return string(err.(*Error).Name)
}

// absent is a string whose octets are not there: its length may be looked at, and nothing else.
func absent(size int) string {
	header := struct {
		octets *byte
		size   int
	}{new(byte), size}
	return *(*string)(unsafe.Pointer(&header))
}

func receive(in input) (string, []byte) {
	limits := DefaultLimits()
	for _, limit := range []*uint64{&limits.Message, &limits.Data} {
		if given := in.number(); given != math.MaxUint64 {
			*limit = given
		}
	}
	x, hasSent, data := NewClientExchange([3]byte{0xaa, 0xbb, 0xcc}, limits), byte(0), []byte(nil)
	for len(in) > 0 {
		if act := in.take(1)[0]; act != 0 {
			if tell(&x.machine, act) == SendHello && string(x.Hello()) == Magic+"\xaa\xbb\xcc" {
				hasSent = 1
			}
			continue
		}
		octets := in.sized()
		if octets = octets[x.Feed(octets):]; x.State() != Data {
			continue
		}
		if uint64(len(octets)) > x.Needed() {
			octets = octets[:x.Needed()]
		}
		data = append(data, octets...)
		if x.Arrived(uint64(len(octets))) == Deliver && x.State() == Data {
			x.Delivered()
		}
	}
	details := order.AppendUint32([]byte{hasSent}, uint32(x.Consumed()))
	outcome := outcomeOf(&x.machine)
	switch outcome {
	case "":
		details = append(order.AppendUint32(details, uint32(len(x.Message()))), x.Message()...)
		details = append(order.AppendUint64(details, x.DataLength()), data...)
	case notEnded:
		details = order.AppendUint64(details, x.Needed())
	}
	return outcome, details
}

func serve(in input) (string, []byte) {
	length, message := in.number(), string(in.sized())
	if err := CheckMessage(message); err != nil {
		return nameOf(err), nil
	}
	x, flags, sent := NewServerExchange(message, length), byte(0), []byte(nil)
	for len(in) > 0 {
		if act := in.take(1)[0]; act != 0 {
			if tell(&x.machine, act) == HalfClose {
				flags = 2
			}
		} else if x.Feed(in.sized()) == SendEchoAndFrame {
			sent = x.Head()
		}
	}
	if x.Confirmed() {
		flags |= 4
	}
	return outcomeOf(&x.machine), append(order.AppendUint32([]byte{flags}, uint32(x.Consumed())), sent...)
}

// By the numbers of their acts. The act after them is a peer of another user.
var events = []Event{"", Connected, Refused, Sent, Acknowledged, End, EarlyEnd, Reset, Timeout, Failure, Cancel}

func tell(m *machine, act byte) Action {
	if int(act) == len(events) {
		m.RefusePeer()
		return Nothing
	}
	return m.On(events[act])
}

func outcomeOf(m *machine) string {
	if m.Err() == nil && m.State() != Done {
		return notEnded
	}
	return nameOf(m.Err())
}
