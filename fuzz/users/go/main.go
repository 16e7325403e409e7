// The Go core behind the three functions of kcom5_fuzz.h, for `go build -buildmode=c-archive`.
package main

// #cgo CFLAGS: -I${SRCDIR}/../../include
// #include <stdlib.h>
// #include "kcom5_fuzz.h"
import "C"

import (
	"encoding/binary"
	"math"
	"strings"
	"unsafe"

	"kcom5/core"
)

// From KCOM5_CONNECTED on.
var events = [...]core.Event{core.Connected, core.Refused, core.Sent, core.Acknowledged, core.End, core.EarlyEnd,
	core.Reset, core.Timeout, core.Failure, core.Cancel}

var address struct {
	port   int
	packed string
	key    []byte
	err    error
}

var client struct {
	*core.ClientExchange
	data    []byte
	hasSent bool
}

var server struct {
	*core.ServerExchange
	refused       error // before there was an exchange
	data          C.struct_kcom5_octets
	sent          []byte
	hasHalfClosed bool
}

//export goReset
func goReset(role C.enum_kcom5_role, setting *C.struct_kcom5_setting) {
	switch role {
	case C.KCOM5_CLIENT:
		nonce := [3]byte{byte(setting.nonce[0]), byte(setting.nonce[1]), byte(setting.nonce[2])}
		limits := core.DefaultLimits()
		if setting.message_limit != math.MaxUint64 {
			limits.Message = uint64(setting.message_limit)
		}
		if setting.data_limit != math.MaxUint64 {
			limits.Data = uint64(setting.data_limit)
		}
		client.ClientExchange = core.NewClientExchange(nonce, limits)
		client.data = client.data[:0]
		client.hasSent = false
	case C.KCOM5_SERVER:
		message := textAt(setting.message)
		server.data = setting.data
		server.sent = server.sent[:0]
		server.hasHalfClosed = false
		server.ServerExchange = nil
		if server.refused = core.CheckMessage(message); server.refused != nil {
			return
		}
		server.ServerExchange = core.NewServerExchange(message, uint64(setting.data.size))
	}
	if setting.is_connecting == 0 {
		goFeed(role, C.KCOM5_CONNECTED, nil, 0)
	}
}

//export goFeed
func goFeed(role C.enum_kcom5_role, event C.enum_kcom5_event, at *C.uint8_t, size C.size_t) {
	octets := unsafe.Slice((*byte)(at), int(size))
	switch {
	case role == C.KCOM5_ADDRESS:
		unpack(string(octets))
	case role == C.KCOM5_PACK:
		port := int(binary.LittleEndian.Uint64(octets))
		address.packed, address.err = core.Pack(port, octets[8:])
	case role == C.KCOM5_CLIENT && event == C.KCOM5_OCTETS:
		feedClient(octets)
	case role == C.KCOM5_CLIENT:
		client.hasSent = tell(client, event) == core.SendHello || client.hasSent
	case server.ServerExchange == nil:
	case event == C.KCOM5_OCTETS:
		if server.Feed(octets) == core.SendEchoAndFrame {
			server.sent = append(server.sent, server.Head()...)
			if server.data.at != nil {
				server.sent = append(server.sent, textAt(server.data)...)
			}
		}
	default:
		server.hasHalfClosed = tell(server, event) == core.HalfClose || server.hasHalfClosed
	}
}

func tell(exchange interface {
	On(core.Event) core.Action
	RefusePeer()
}, event C.enum_kcom5_event) core.Action {
	if event == C.KCOM5_WRONG_PEER {
		exchange.RefusePeer()
		return core.Nothing
	}
	return exchange.On(events[event-C.KCOM5_CONNECTED])
}

func unpack(text string) {
	address.port, address.key, address.err = core.Unpack(text)
	if address.err == nil {
		address.packed, _ = core.Pack(address.port, address.key[:strings.Count(text, ".")])
	}
}

func feedClient(octets []byte) {
	rest := octets[client.Feed(octets):]
	if client.State() != core.Data {
		return
	}
	if uint64(len(rest)) > client.Needed() {
		rest = rest[:client.Needed()]
	}
	client.data = append(client.data, rest...)
	client.Arrived(uint64(len(rest)))
	client.Delivered()
}

//export goOutcome
func goOutcome(role C.enum_kcom5_role, result *C.struct_kcom5_result) {
	*result = C.struct_kcom5_result{}
	switch {
	case role == C.KCOM5_CLIENT:
		describe(client, result)
		result.needed = C.uint64_t(client.Needed())
		if client.hasSent {
			result.sent = clientHello.copyOf(client.Hello())
		}
		if result.done == 1 {
			result.message = clientMessage.copyOf([]byte(client.Message()))
			result.data = clientData.copyOf(client.data)
			result.data_length = C.uint64_t(client.DataLength())
		}
	case role != C.KCOM5_SERVER:
		name(address.err, result)
		result.done = flag(address.err == nil)
		result.message = addressPacked.copyOf([]byte(address.packed))
		result.data = addressKey.copyOf(address.key)
		result.port = C.int(address.port)
	case server.ServerExchange == nil:
		name(server.refused, result)
	default:
		describe(server, result)
		result.sent = serverSent.copyOf(server.sent)
		result.has_half_closed = flag(server.hasHalfClosed)
		result.is_confirmed = flag(server.Confirmed())
	}
}

func describe(exchange interface {
	Err() error
	State() core.State
	Consumed() uint64
}, result *C.struct_kcom5_result) {
	name(exchange.Err(), result)
	result.consumed = C.uint64_t(exchange.Consumed())
	result.done = flag(exchange.State() == core.Done)
}

func flag(holds bool) C.int {
	if holds {
		return 1
	}
	return 0
}

// cBuffer is memory that C may look at after a call has returned.
type cBuffer struct {
	at   unsafe.Pointer
	size int
}

var addressPacked, addressKey, clientHello, clientMessage, clientData, serverSent cBuffer

func (b *cBuffer) copyOf(octets []byte) C.struct_kcom5_octets {
	if len(octets) > b.size {
		C.free(b.at)
		b.at, b.size = C.malloc(C.size_t(len(octets))), len(octets)
	}
	copy(unsafe.Slice((*byte)(b.at), len(octets)), octets)
	return C.struct_kcom5_octets{at: (*C.uint8_t)(b.at), size: C.size_t(len(octets))}
}

// textAt returns a string that shares C's memory. The bytes need not be there if the caller looks at the length only.
func textAt(octets C.struct_kcom5_octets) string {
	return *(*string)(unsafe.Pointer(&octets))
}

var cStrings = map[string]*C.char{}

func cString(text string) *C.char {
	made, found := cStrings[text]
	if !found {
		made = C.CString(text)
		cStrings[text] = made
	}
	return made
}

func name(err error, result *C.struct_kcom5_result) {
	if failure, is := err.(*core.Error); is {
		result.error = cString(string(failure.Name))
		result.family = cString(failure.Name.Family())
	}
}

func main() {}
