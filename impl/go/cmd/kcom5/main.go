// Kcom5 sends or receives one message and one block of data, and packs and unpacks addresses: `kcom5 --help`.
package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"kcom5"
)

func main() {
	signal.Ignore(syscall.SIGPIPE) // a reader that leaves is an error like any other
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	for _, one := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		if !signal.Ignored(one) {
			signal.Notify(signals, one)
		}
	}
	speaker := newSpeaker()
	code := make(chan int, 1)
	go func() { code <- run(ctx, speaker, os.Args[1:]) }()
	select {
	case code := <-code:
		os.Exit(code)
	case which := <-signals:
		cancel()
		select {
		case <-code: // everything is cleaned up
			speaker.interrupted()
		case <-time.After(2 * time.Second): // a pipe that nobody reads or writes cannot be interrupted
			newSpeaker().interrupted() // the other is in use
		}
		if which == os.Interrupt {
			os.Exit(130)
		}
		os.Exit(143)
	}
}

// run gives the exit code. After an interruption it says nothing: main does.
func run(ctx context.Context, speaker *speaker, words []string) int {
	err := dispatch(ctx, speaker, words)
	if err == nil {
		return 0
	}
	if ctx.Err() != nil {
		return 1
	}
	return speaker.fail(err)
}

func dispatch(ctx context.Context, speaker *speaker, words []string) error {
	if len(words) == 0 {
		return usage("there is no command: send, receive, pack or unpack")
	}
	switch words[0] {
	case "--version":
		return printLine("kcom5 " + kcom5.Version)
	case "--help", "-h":
		return printLine(strings.TrimSuffix(help(), "\n"))
	}
	if strings.HasPrefix(words[0], "-") {
		return usage("there is no option " + quote(words[0]))
	}
	command, err := findCommand(words[0])
	if err != nil {
		return err
	}
	a, err := parse(command, words[1:])
	if err != nil {
		return err
	}
	if a.has("--help") {
		return printLine(strings.TrimSuffix(command.help(), "\n"))
	}
	if a.has("--json") {
		speaker.json = os.Stdout
		if command.name == "receive" && a.get("--output", "-") == "-" {
			speaker.json = os.Stderr
		}
	}
	switch command.name {
	case "send":
		return send(ctx, speaker, a)
	case "receive":
		return receive(ctx, speaker, a)
	case "pack":
		return pack(a)
	}
	return unpack(a)
}

func send(ctx context.Context, speaker *speaker, a arguments) error {
	server := kcom5.NewServer()
	server.Path, server.Ipv6 = a.get("--unix", ""), !a.has("--ipv4")
	if err := place(a, &server.Port, &server.Close); err != nil {
		return err
	}
	server.Msg = a.get("--message", "")
	if a.has("--message-file") {
		message, err := readMessage(a.values["--message-file"])
		if err != nil {
			return err
		}
		server.Msg = message
	}
	server.Listening = func(port int) {
		switch {
		case server.Path != "":
			speaker.say("listening on "+printable(server.Path), `{"listening":`+quote(server.Path)+`}`)
		case server.Ipv6:
			speaker.say(fmt.Sprintf("listening on [::1]:%d", port), fmt.Sprintf(`{"listening":%d}`, port))
		default:
			speaker.say(fmt.Sprintf("listening on 127.0.0.1:%d", port), fmt.Sprintf(`{"listening":%d}`, port))
		}
	}
	sent := uint64(0)
	server.Progress = func(done, total uint64) {
		sent = done
		speaker.progress(done, total)
	}
	var err error
	if a.operand == "" || a.operand == "-" {
		err = sendStandardInput(ctx, server)
	} else {
		err = server.SendFile(ctx, a.operand)
	}
	if err != nil {
		return err
	}
	speaker.say("sent "+grouped(sent)+" octets", fmt.Sprintf(`{"ok":true,"sent":%d}`, sent))
	return nil
}

func sendStandardInput(ctx context.Context, server *kcom5.Server) error {
	return server.SendFrom(ctx, os.Stdin, -1)
}

func receive(ctx context.Context, speaker *speaker, a arguments) error {
	client := kcom5.NewClient()
	client.Path, client.Ipv6 = a.get("--unix", ""), !a.has("--ipv4")
	if err := place(a, &client.Port, &client.Close); err != nil {
		return err
	}
	wait, err := a.number("--wait", 2)
	if err != nil {
		return err
	}
	client.MessageFile, client.Wait = a.get("--message-file", ""), wait
	received := uint64(0)
	client.Progress = func(done, total uint64) {
		received = done
		speaker.progress(done, total)
	}
	if output := a.get("--output", "-"); output == "-" {
		err = client.ReceiveTo(ctx, os.Stdout)
	} else {
		err = client.ReceiveFile(ctx, output)
	}
	if err != nil {
		return err
	}
	words := "received " + grouped(received) + " octets"
	if client.Msg != "" {
		words += ", message " + shortened(client.Msg)
	}
	speaker.say(words, fmt.Sprintf(`{"ok":true,"received":%d,"message":%s}`, received, quote(client.Msg)))
	return nil
}

// place takes the port and the timeout from the command line. An address gives the port, and is not shown.
func place(a arguments, port, timeout *int) error {
	var err error
	if *timeout, err = a.number("--timeout", *timeout); err != nil {
		return err
	}
	if *port, err = a.number("--port", *port); err != nil || !a.has("--address") {
		return err
	}
	address, err := readSource(a.values["--address"])
	if err != nil {
		return err
	}
	*port, _, err = kcom5.Unpack(address)
	return err
}

func pack(a arguments) error {
	port, err := a.number("--port", kcom5.DefaultPort)
	if err != nil {
		return err
	}
	digits, err := readSource(a.get("--key", "-"))
	if err != nil {
		return err
	}
	key, hexError := hex.DecodeString(strings.Join(strings.FieldsFunc(digits, isWhiteSpace), ""))
	if hexError != nil {
		key = nil // the port is looked at first
	}
	address, err := kcom5.Pack(port, key)
	if hexError != nil && errors.Is(err, kcom5.ErrInvalidKey) {
		return &kcom5.Error{Name: kcom5.ErrInvalidKey, Detail: "expected pairs of hexadecimal digits, got something else"}
	}
	if err != nil {
		return err
	}
	if a.has("--json") {
		return printLine(`{"address":` + quote(address) + `}`)
	}
	return printLine(address)
}

func isWhiteSpace(r rune) bool { return strings.ContainsRune(" \t\r\n\v\f", r) }

func unpack(a arguments) error {
	source := a.operand
	if source == "" {
		source = "-"
	}
	address, err := readSource(source)
	if err != nil {
		return err
	}
	port, key, err := kcom5.Unpack(address)
	if err != nil {
		return err
	}
	if a.has("--json") {
		return printLine(fmt.Sprintf(`{"port":%d,"key":"%x"}`, port, key))
	}
	return printLine(fmt.Sprintf("port %d\nkey %x", port, key))
}

// readSource reads what a SOURCE names, without one line end. Nothing of this kind is long.
func readSource(source string) (string, error) {
	const most = 1 << 16
	var text []byte
	var err error
	if name := strings.TrimPrefix(source, "env:"); name != source {
		value, found := os.LookupEnv(name)
		if !found {
			return "", systemError(errors.New("there is no environment variable " + name))
		}
		text = []byte(value)
	} else {
		file := os.Stdin
		if source != "-" {
			if file, err = os.Open(source); err != nil {
				return "", systemError(err)
			}
			defer file.Close()
		}
		if text, err = io.ReadAll(io.LimitReader(file, most)); err != nil {
			return "", systemError(err)
		}
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r"), nil
}

func readMessage(name string) (string, error) {
	file, err := os.Open(name)
	if err != nil {
		return "", systemError(err)
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && uint64(info.Size()) > kcom5.MaxMessage {
		return "", &kcom5.Error{Name: kcom5.ErrMessageTooLong, Detail: fmt.Sprint("expected at most 4294967295 octets, got ", info.Size())}
	}
	text, err := io.ReadAll(io.LimitReader(file, kcom5.MaxMessage+1))
	if err != nil {
		return "", systemError(err)
	}
	return string(text), nil
}

func printLine(text string) error {
	_, err := fmt.Println(text)
	return systemError(err)
}

func systemError(err error) error {
	if err == nil {
		return nil
	}
	return &kcom5.Error{Name: kcom5.ErrIO, Detail: err.Error(), Cause: err}
}
