// Adapter puts the implementation on the end of two pipes for the conformance suite: conformance/ADAPTER.md.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"unsafe"

	"kcom5"
)

type object map[string]any

func main() {
	requests := json.NewDecoder(os.Stdin)
	for line := json.RawMessage(nil); requests.Decode(&line) == nil; {
		say(serve(line))
	}
}

func say(answer object) { json.NewEncoder(os.Stdout).Encode(answer) }

func serve(line []byte) (answer object) {
	var err error
	var r struct {
		Op, Via, Key, Address string
		MessageFile           string `json:"message_file"`
		Message               *string
	}
	var body struct { // a message is a string, or this
		Message, Data, To struct {
			Hex, Fill, File string
			Size            int
		}
	}
	server, client := kcom5.NewServer(), kcom5.NewClient()
	for _, fields := range []any{&r, &body, server, client} {
		json.Unmarshal(line, fields)
	}
	ipv6, isVia := map[string]bool{"tcp4": false, "tcp6": true, "unix": false}[r.Via]
	server.Ipv6, client.Ipv6 = ipv6, ipv6
	message := ""
	if r.Message != nil {
		message = *r.Message
	}
	switch {
	case r.Op == "about":
		answer = object{"name": "kcom5-go", "version": kcom5.Version, "language": "go",
			"supports": []string{"pack", "send", "receive", "tcp4", "tcp6", "unix", "limits", "file", "message", "message-file"}}
	case r.Op == "pack":
		address := ""
		address, err = kcom5.Pack(server.Port, octets(r.Key))
		answer = object{"address": address}
	case r.Op == "unpack":
		port, key, failed := kcom5.Unpack(r.Address)
		answer, err = object{"port": port, "key": fmt.Sprintf("%x", key)}, failed
	case r.Op == "send" && isVia:
		server.Msg = message + string(octets(body.Message.Hex)) + text(filled(body.Message.Fill, body.Message.Size))
		server.Listening = func(port int) { say(object{"listening": map[bool]any{true: server.Path, false: port}[port == 0]}) }
		if body.Data.File != "" {
			err = server.SendFile(context.Background(), body.Data.File)
		} else {
			err = server.Send(append(octets(body.Data.Hex), filled(body.Data.Fill, body.Data.Size)...))
		}
		answer = object{"ok": true, "confirmed": server.Confirmed}
	case r.Op == "receive" && isVia:
		client.Msg, client.MessageFile = message, r.MessageFile
		var data object
		if body.To.File != "" {
			err = client.ReceiveFile(context.Background(), body.To.File)
			file, _ := os.Open(body.To.File)
			defer file.Close()
			hash := sha256.New()
			size, _ := io.Copy(hash, file)
			data = object{"size": size, "sha256": fmt.Sprintf("%x", hash.Sum(nil))}
		} else {
			var received []byte
			received, err = client.Receive()
			data = object{"size": len(received), "sha256": fmt.Sprintf("%x", sha256.Sum256(received))}
			if len(received) <= 4096 {
				data["hex"] = fmt.Sprintf("%x", received)
			}
		}
		answer = object{"ok": true, "message": client.Msg, "data": data}
	default:
		answer = object{"unsupported": true}
	}
	if failed := (*kcom5.Error)(nil); errors.As(err, &failed) {
		answer = object{"error": failed.Name, "detail": failed.Detail}
		if r.Op == "receive" && r.Message != nil {
			answer["message"] = client.Msg
		}
	}
	return answer
}

func octets(digits string) []byte { octets, _ := hex.DecodeString(digits); return octets }
func filled(fill string, size int) []byte {
	if fill == "00" {
		return make([]byte, size) // no memory is touched: a message may be of 4 GiB
	}
	filled := bytes.Repeat(octets(fill), size)
	for i := len(filled); i < size; i++ { // counter251 has no octets
		filled = append(filled, byte(i%251))
	}
	return filled
}

// text is the same octets, without a copy (as strings.Builder does it).
func text(octets []byte) string { return *(*string)(unsafe.Pointer(&octets)) }
