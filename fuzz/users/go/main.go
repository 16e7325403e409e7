// The Go core behind the three functions of kcom5_fuzz.h, for `go build -buildmode=c-archive`.
package main

// #cgo CFLAGS: -I${SRCDIR}/../../include
// #include <stdlib.h>
// #include "kcom5_fuzz.h"
import "C"

import (
	"errors"
	"strings"
	"unsafe"

	"kcom5/core"
)

var events = map[C.enum_kcom5_event]core.Event{
	C.KCOM5_SENT: core.Sent, C.KCOM5_END: core.End, C.KCOM5_RESET: core.Reset, C.KCOM5_TIMEOUT: core.Timeout,
	C.KCOM5_ACKNOWLEDGED: core.Acknowledged, C.KCOM5_EARLY_END: core.EarlyEnd,
}

var address struct {
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
	refused error // before there was an exchange
	data    []byte
	sent    []byte
}

//export goReset
func goReset(role C.enum_kcom5_role, setting *C.struct_kcom5_setting) {
	switch role {
	case C.KCOM5_CLIENT:
		nonce := [3]byte{byte(setting.nonce[0]), byte(setting.nonce[1]), byte(setting.nonce[2])}
		limits := core.Limits{Message: uint64(setting.message_limit), Data: uint64(setting.data_limit)}
		client.ClientExchange = core.NewClientExchange(nonce, limits)
		client.data = client.data[:0]
		client.hasSent = client.On(core.Connected) == core.SendHello
	case C.KCOM5_SERVER:
		message := string(octetsAt(setting.message.at, setting.message.size))
		server.data = octetsAt(setting.data.at, setting.data.size)
		server.sent = server.sent[:0]
		server.ServerExchange = nil
		if server.refused = core.CheckMessage(message); server.refused == nil {
			server.ServerExchange = core.NewServerExchange(message, uint64(len(server.data)))
			server.On(core.Connected)
		}
	}
}

//export goFeed
func goFeed(role C.enum_kcom5_role, event C.enum_kcom5_event, at *C.uint8_t, size C.size_t) {
	octets := octetsAt(at, size)
	switch {
	case role == C.KCOM5_ADDRESS:
		unpack(string(octets))
	case role == C.KCOM5_CLIENT && event == C.KCOM5_OCTETS:
		feedClient(octets)
	case role == C.KCOM5_CLIENT:
		client.On(events[event])
	case server.ServerExchange == nil:
	case event == C.KCOM5_OCTETS:
		if server.Feed(octets) == core.SendEchoAndFrame {
			server.sent = append(append(server.sent, server.Head()...), server.data...)
		}
	default:
		server.On(events[event])
	}
}

func unpack(text string) {
	port, key, err := core.Unpack(text)
	address.key, address.err = key, err
	if err == nil {
		address.packed, _ = core.Pack(port, key[:strings.Count(text, ".")])
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
	case role == C.KCOM5_ADDRESS:
		result.error = nameOf(address.err)
		if address.err == nil {
			result.done = 1
			result.message = addressPacked.copyOf([]byte(address.packed))
			result.data = addressKey.copyOf(address.key)
		}
	case role == C.KCOM5_CLIENT:
		result.error = nameOf(client.Err())
		result.consumed = C.uint64_t(client.Consumed())
		if client.hasSent {
			result.sent = clientHello.copyOf(client.Hello())
		}
		if client.State() == core.Done {
			result.done = 1
			result.message = clientMessage.copyOf([]byte(client.Message()))
			result.data = clientData.copyOf(client.data)
		}
	case server.ServerExchange == nil:
		result.error = nameOf(server.refused)
	default:
		result.error = nameOf(server.Err())
		result.consumed = C.uint64_t(server.Consumed())
		result.sent = serverSent.copyOf(server.sent)
		if server.State() == core.Done {
			result.done = 1
		}
	}
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

func octetsAt(at *C.uint8_t, size C.size_t) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(at)), int(size))
}

var names = map[core.Name]*C.char{}

func nameOf(err error) *C.char {
	var failure *core.Error
	if !errors.As(err, &failure) {
		return nil
	}
	name, found := names[failure.Name]
	if !found {
		name = C.CString(string(failure.Name))
		names[failure.Name] = name
	}
	return name
}

func main() {}
