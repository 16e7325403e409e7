// An adapter for kcom5-conformance: it puts your implementation of KCOM5 on the end of two pipes.
//
// Replace the bodies of the three functions below by calls of your implementation. What stands there is a naive KCOM5
// that conforms in fair weather only: without timeouts, limits, and errors by name.
package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
)

// --------------------------------------------------------------------- replace this by calls of your implementation

func about() map[string]any {
	// Add pack, unix, port-zero, limits and file to supports when you answer them: only what is listed is asked for.
	return map[string]any{
		"name": "mine", "version": "0", "language": "go", "supports": []string{"send", "receive", "tcp4", "tcp6"},
	}
}

// send sends to one client. Where port and close are nil, your defaults hold. It calls listening when it listens, with
// the port, which the system has chosen if *port is 0. A *failure names the error; any other error is "error".
func send(via string, port, close *int64, message, data []byte, listening func(int)) error {
	listener, err := net.Listen(via, loopback(via, port))
	if err != nil {
		return err
	}
	defer listener.Close()
	listening(listener.Addr().(*net.TCPAddr).Port)
	connection, err := listener.Accept()
	if err != nil {
		return err
	}
	defer connection.Close()
	listener.Close()
	hello, err := read(connection, 8)
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(hello, []byte("KCOM5")) {
		return &failure{"invalid-connection", fmt.Sprintf("the hello is %x", hello)}
	}
	head := binary.LittleEndian.AppendUint32(hello, uint32(len(message)))
	head = append(head, message...)
	head = binary.LittleEndian.AppendUint64(head, uint64(len(data)))
	if _, err := connection.Write(head); err != nil {
		return err
	}
	if _, err := connection.Write(data); err != nil {
		return err
	}
	if err := connection.(*net.TCPConn).CloseWrite(); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, connection) // until the client's end
	return err
}

// receive returns the message and the data of one server.
func receive(via string, port, close *int64) (message string, data []byte, err error) {
	connection, err := net.Dial(via, loopback(via, port))
	if err != nil {
		return "", nil, err
	}
	defer connection.Close()
	hello := []byte("KCOM5...")
	if _, err := rand.Read(hello[5:]); err != nil {
		return "", nil, err
	}
	if _, err := connection.Write(hello); err != nil {
		return "", nil, err
	}
	echo, err := read(connection, 8)
	if err != nil {
		return "", nil, err
	}
	if !bytes.Equal(echo, hello) {
		return "", nil, &failure{"invalid-connection", fmt.Sprintf("the echo is %x", echo)}
	}
	length, err := read(connection, 4)
	if err != nil {
		return "", nil, err
	}
	text, err := read(connection, uint64(binary.LittleEndian.Uint32(length)))
	if err != nil {
		return "", nil, err
	}
	if length, err = read(connection, 8); err != nil {
		return "", nil, err
	}
	data, err = read(connection, binary.LittleEndian.Uint64(length))
	return string(text), data, err
}

func loopback(via string, port *int64) string {
	address, number := "127.0.0.1", int64(13600)
	if via == "tcp6" {
		address = "::1"
	}
	if port != nil {
		number = *port
	}
	return net.JoinHostPort(address, fmt.Sprint(number))
}

func read(connection io.Reader, size uint64) ([]byte, error) {
	if size > math.MaxInt64 {
		return nil, errors.New("more octets than fit")
	}
	var octets bytes.Buffer
	_, err := io.CopyN(&octets, connection, int64(size))
	return octets.Bytes(), err
}

// ------------------------------------------------------------------------- the adapter: nothing to do from here on

// failure has a name of the spec's table, or "error" if your implementation does not tell.
type failure struct{ name, detail string }

func (f *failure) Error() string { return f.name + ": " + f.detail }

type request struct {
	Op, Via       string
	Port, Close   *int64
	Message, Data json.RawMessage
}

func say(line any) {
	text, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(text))
}

func octetsOf(value json.RawMessage) ([]byte, error) {
	var text string
	if len(value) == 0 || json.Unmarshal(value, &text) == nil {
		return []byte(text), nil
	}
	var rule struct {
		Hex, Fill string
		Size      int
	}
	if err := json.Unmarshal(value, &rule); err != nil {
		return nil, err
	}
	if rule.Fill == "" {
		return hex.DecodeString(rule.Hex)
	}
	if rule.Fill == "counter251" {
		octets := make([]byte, rule.Size)
		for i := range octets {
			octets[i] = byte(i % 251)
		}
		return octets, nil
	}
	unit, err := hex.DecodeString(rule.Fill)
	if err != nil {
		return nil, err
	}
	return bytes.Repeat(unit, rule.Size), nil
}

func supports(what string) bool {
	for _, word := range about()["supports"].([]string) {
		if word == what {
			return true
		}
	}
	return false
}

func answer(r *request) (any, error) {
	if r.Op == "about" {
		return about(), nil
	}
	if !(r.Op == "send" || r.Op == "receive") || !supports(r.Via) {
		return map[string]any{"unsupported": true}, nil
	}
	if r.Op == "send" {
		message, err := octetsOf(r.Message)
		if err != nil {
			return nil, err
		}
		data, err := octetsOf(r.Data)
		if err != nil {
			return nil, err
		}
		err = send(r.Via, r.Port, r.Close, message, data, func(port int) { say(map[string]any{"listening": port}) })
		return map[string]any{"ok": true}, err
	}
	message, data, err := receive(r.Via, r.Port, r.Close)
	if err != nil {
		return nil, err
	}
	received := map[string]any{"size": len(data), "sha256": fmt.Sprintf("%x", sha256.Sum256(data))}
	if len(data) <= 4096 {
		received["hex"] = hex.EncodeToString(data)
	}
	return map[string]any{"ok": true, "message": message, "data": received}, nil
}

func main() {
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var r request
		if err := json.Unmarshal(line, &r); err != nil {
			panic(err)
		}
		result, err := answer(&r)
		var named *failure
		if errors.As(err, &named) {
			result = map[string]any{"error": named.name, "detail": named.detail}
		} else if err != nil {
			result = map[string]any{"error": "error", "detail": err.Error()}
		}
		say(result)
	}
}
