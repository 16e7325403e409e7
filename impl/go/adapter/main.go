// Adapter puts the implementation on the end of two pipes for the conformance suite: conformance/ADAPTER.md.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strconv"

	"kcom5"
)

type object map[string]any

// request has every key of the contract; keysOf says which belong to an op.
type request struct {
	Op, Key, Address, Via, Path string
	Port, Close                 *int
	Message, Data               json.RawMessage
	Limits                      *struct{ Message, Data *uint64 }
	To                          *struct{ File *string }
}

var keysOf = map[string]string{
	"about": "op", "pack": "op port key", "unpack": "op address",
	"send": "op via port path close message data", "receive": "op via port path close limits to",
}

var unsupported = object{"unsupported": true}

func main() {
	requests := bufio.NewReader(os.Stdin)
	for {
		line, err := requests.ReadBytes('\n')
		if err == io.EOF {
			return
		}
		if err != nil || !json.Valid(line) {
			os.Exit(1) // the suite's fault
		}
		say(answer(line))
	}
}

func say(answer object) { json.NewEncoder(os.Stdout).Encode(answer) }

func answer(line []byte) object {
	var keys map[string]json.RawMessage
	var r request
	if json.Unmarshal(line, &keys) != nil || !decode(line, &r) || !hasOnly(keys, keysOf[r.Op]) {
		return unsupported
	}
	switch r.Op {
	case "about":
		return object{"name": "kcom5-go", "version": kcom5.Version, "language": "go",
			"supports": []string{"pack", "send", "receive", "tcp4", "tcp6", "unix"}}
	case "pack":
		key, err := hex.DecodeString(r.Key)
		if err != nil || r.Port == nil {
			return unsupported
		}
		address, err := kcom5.Pack(*r.Port, key)
		return orFailure(object{"address": address}, err)
	case "unpack":
		port, key, err := kcom5.Unpack(r.Address)
		return orFailure(object{"port": port, "key": hex.EncodeToString(key)}, err)
	}
	if r.Via != "tcp4" && r.Via != "tcp6" && r.Via != "unix" || (r.Via == "unix") != (r.Path != "") {
		return unsupported
	}
	if r.Op == "send" {
		return send(r)
	}
	return receive(r)
}

func send(r request) object {
	server := kcom5.NewServer()
	server.Ipv6, server.Path = r.Via == "tcp6", r.Path
	set(&server.Port, r.Port)
	set(&server.Close, r.Close)
	server.Listening = func(port int) {
		if server.Path != "" {
			say(object{"listening": server.Path})
		} else {
			say(object{"listening": port})
		}
	}
	var message struct{ Hex *string }
	if r.Message != nil && json.Unmarshal(r.Message, &server.Msg) != nil {
		octets, ok := []byte(nil), decode(r.Message, &message) && message.Hex != nil
		if ok {
			octets, ok = fromHex(*message.Hex)
		}
		if !ok {
			return unsupported
		}
		server.Msg = string(octets)
	}
	var data struct {
		Hex, Fill, File *string
		Size            *int
	}
	if r.Data != nil && !decode(r.Data, &data) {
		return unsupported
	}
	ok := r.Data == nil
	var octets []byte
	switch {
	case data.File != nil:
		return orFailure(object{"ok": true}, server.SendFile(context.Background(), *data.File))
	case data.Hex != nil:
		octets, ok = fromHex(*data.Hex)
	case data.Size != nil && data.Fill != nil:
		octets, ok = filled(*data.Size, *data.Fill)
	}
	if !ok {
		return unsupported
	}
	return orFailure(object{"ok": true}, server.Send(octets))
}

func receive(r request) object {
	client := kcom5.NewClient()
	client.Ipv6, client.Path = r.Via == "tcp6", r.Path
	set(&client.Port, r.Port)
	set(&client.Close, r.Close)
	if r.Limits != nil {
		set(&client.Limits.Message, r.Limits.Message)
		set(&client.Limits.Data, r.Limits.Data)
	}
	if r.To != nil && r.To.File == nil {
		return unsupported
	}
	digest, size, data := sha256.New(), int64(0), object{}
	var err error
	if r.To != nil {
		var file *os.File
		if err = client.ReceiveFile(context.Background(), *r.To.File); err == nil {
			if file, err = os.Open(*r.To.File); err == nil {
				size, err = io.Copy(digest, file)
				file.Close()
			}
		}
	} else {
		var octets []byte
		octets, err = client.Receive()
		digest.Write(octets)
		size = int64(len(octets))
		if size <= 4096 {
			data["hex"] = hex.EncodeToString(octets)
		}
	}
	data["size"], data["sha256"] = size, hex.EncodeToString(digest.Sum(nil))
	return orFailure(object{"ok": true, "message": client.Msg, "data": data}, err)
}

func orFailure(success object, err error) object {
	var failed *kcom5.Error
	if err == nil {
		return success
	}
	if errors.As(err, &failed) {
		return object{"error": string(failed.Name), "detail": failed.Detail}
	}
	return object{"error": string(kcom5.ErrIO), "detail": err.Error()}
}

// decode takes no key that the target does not have.
func decode(text []byte, to any) bool {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	return decoder.Decode(to) == nil
}

func hasOnly(keys map[string]json.RawMessage, allowed string) bool {
	for key := range keys {
		if !bytes.Contains([]byte(" "+allowed+" "), []byte(" "+key+" ")) {
			return false
		}
	}
	return allowed != ""
}

func set[T any](field, value *T) {
	if value != nil {
		*field = *value
	}
}

func fromHex(digits string) ([]byte, bool) {
	octets, err := hex.DecodeString(digits)
	return octets, err == nil
}

func filled(size int, fill string) ([]byte, bool) {
	value, err := strconv.ParseUint(fill, 16, 8)
	if size < 0 || err != nil && fill != "counter251" {
		return nil, false
	}
	octets := make([]byte, size)
	for i := range octets {
		octets[i] = byte(value)
		if fill == "counter251" {
			octets[i] = byte(i % 251)
		}
	}
	return octets, true
}
