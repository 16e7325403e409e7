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
	"kcom5/compat"
)

type object map[string]any

func main() {
	requests := json.NewDecoder(os.Stdin)
	for line := json.RawMessage(nil); requests.Decode(&line) == nil; {
		say(serve(line))
	}
}

func say(answer object) { json.NewEncoder(os.Stdout).Encode(answer) }

type request struct {
	Op, Via, Key, Address string
	Path                  string
	Port, Close           *int
	Limits                kcom5.Limits
	MessageFile           string `json:"message_file"`
	Message               *string
}

// bodies are bytes: a message is a string, or this.
type bodies struct {
	Message, Data, To struct {
		Hex, Fill, File string
		Size            int
	}
}

func serve(line []byte) (answer object) {
	var err error
	r := request{Limits: kcom5.DefaultLimits()}
	var body bodies
	for _, fields := range []any{&r, &body} {
		json.Unmarshal(line, fields)
	}
	isIPv4, isVia := map[string]bool{"tcp4": true, "tcp6": false, "unix": true}[r.Via]
	server := &kcom5.Server{IPv4: isIPv4, Path: r.Path}
	client := &kcom5.Client{IPv4: isIPv4, Path: r.Path, Limits: &r.Limits, MessageFile: r.MessageFile}
	if r.Port != nil {
		server.Port, client.Port = compat.Port(*r.Port), compat.Port(*r.Port)
	}
	if r.Close != nil {
		server.Timeout, client.Timeout = compat.Timeout(*r.Close), compat.Timeout(*r.Close)
	}
	message := ""
	if r.Message != nil {
		message = *r.Message
	}
	switch {
	case r.Op == "about":
		answer = object{"name": "kcom5-go", "version": kcom5.Version, "language": "go",
			"supports": []string{"pack", "send", "receive", "tcp4", "tcp6", "unix", "port-zero", "limits", "file", "message", "message-file"}}
	case r.Op == "pack":
		address := ""
		address, err = kcom5.Pack(*r.Port, octets(r.Key))
		answer = object{"address": address}
	case r.Op == "unpack":
		port, key, failed := kcom5.Unpack(r.Address)
		answer, err = object{"port": port, "key": fmt.Sprintf("%x", key)}, failed
	case r.Op == "send" && isVia:
		server.Message = message + string(octets(body.Message.Hex)) + text(filled(body.Message.Fill, body.Message.Size))
		answer, err = send(server, body)
	case r.Op == "receive" && isVia:
		client.Message = message
		answer, err = receive(client, body.To.File)
	default:
		answer = object{"unsupported": true}
	}
	if failed := (*kcom5.Error)(nil); errors.As(err, &failed) {
		answer = object{"error": failed.Name, "detail": failed.Detail}
		if r.Op == "receive" && r.Message != nil {
			answer["message"] = client.Message
		}
	}
	return answer
}

func send(server *kcom5.Server, body bodies) (object, error) {
	server.Listening = func(port int) { say(object{"listening": map[bool]any{true: server.Path, false: port}[port == 0]}) }
	if body.Data.File != "" {
		sent, err := server.SendFile(context.Background(), body.Data.File)
		return object{"ok": true, "confirmed": sent.Confirmed}, err
	}
	data := append(octets(body.Data.Hex), filled(body.Data.Fill, body.Data.Size)...)
	sent, err := server.Send(context.Background(), data)
	return object{"ok": true, "confirmed": sent.Confirmed}, err
}

func receive(client *kcom5.Client, to string) (object, error) {
	if to != "" {
		size := uint64(0)
		client.Progress = func(done, _ uint64) { size = done }
		if err := client.ReceiveFile(context.Background(), to); err != nil {
			return nil, err
		}
		return object{"ok": true, "message": client.Message, "data": object{"size": size, "sha256": digest(to)}}, nil
	}
	received, err := client.Receive(context.Background())
	data := object{"size": len(received), "sha256": fmt.Sprintf("%x", sha256.Sum256(received))}
	if len(received) <= 4096 {
		data["hex"] = fmt.Sprintf("%x", received)
	}
	return object{"ok": true, "message": client.Message, "data": data}, err
}

// digest returns the digest of a file's content. A pipe or a device keeps no content, so it is not read.
func digest(name string) string {
	hash := sha256.New()
	if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
		if file, err := os.Open(name); err == nil {
			defer file.Close()
			io.Copy(hash, file)
		}
	}
	return fmt.Sprintf("%x", hash.Sum(nil))
}

func octets(digits string) []byte { octets, _ := hex.DecodeString(digits); return octets }
func filled(fill string, size int) []byte {
	if fill == "00" || size == 0 {
		return make([]byte, size) // no memory is touched: a message may be of 4 GiB
	}
	period := octets(fill)
	for i := len(period); i < 251 && fill == "counter251"; i++ {
		period = append(period, byte(i))
	}
	return bytes.Repeat(period, size/len(period)+1)[:size] // a loop takes seconds under the race detector
}

// text returns the same bytes without a copy (as strings.Builder does it).
func text(octets []byte) string { return *(*string)(unsafe.Pointer(&octets)) }
