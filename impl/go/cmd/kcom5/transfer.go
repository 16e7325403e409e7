package main

// The commands that hand over: send and receive.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"kcom5"
)

// placed takes the port from the command line. An address gives the port, and is not shown.
func (p *program) placed(a arguments, least int, port *int) error {
	if err := a.setPort(least, port); err != nil || !a.has("--address") {
		return err
	}
	address, err := p.readSource(a.values["--address"])
	if err != nil {
		return err
	}
	defer wipe(address)
	var key []byte
	*port, key, err = kcom5.Unpack(string(address))
	wipe(key)
	return err
}

func send(ctx context.Context, p *program, a arguments) error {
	server := kcom5.NewServer()
	server.Path, server.Ipv6, server.SpoolDir = a.get("--unix", ""), !a.has("--ipv4"), a.get("--spool-dir", "")
	p.isIPv6 = server.Ipv6 && server.Path == ""
	a.set("--timeout", &server.Close)
	if err := p.placed(a, 0, &server.Port); err != nil {
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
		words, json := "[::1]:"+fmt.Sprint(port), fmt.Sprint(port)
		switch {
		case server.Path != "":
			words, json = visible(server.Path), quoteASCII(server.Path)
		case !server.Ipv6:
			words = "127.0.0.1:" + fmt.Sprint(port)
		}
		p.say("listening on "+words, `{"listening":`+json+`}`)
	}
	sent := uint64(0)
	server.Progress = func(done, total uint64) {
		sent = done
		p.progress(done, total)
	}
	var err error
	if a.operand != "" && a.operand != "-" {
		err = guarded(a.operand, server.SendFile(ctx, a.operand))
	} else if err = needInput(); err == nil {
		err = server.SendFrom(ctx, os.Stdin, -1)
	}
	if err != nil {
		return err
	}
	words := "sent " + grouped(sent) + " bytes, confirmed"
	if !server.Confirmed {
		words = "sent " + grouped(sent) + " bytes, not confirmed: the client had ended its sending side early"
	}
	return p.say(words, fmt.Sprintf(`{"ok":true,"sent":%d,"confirmed":%v}`, sent, server.Confirmed))
}

func receive(ctx context.Context, p *program, a arguments) error {
	client := kcom5.NewClient()
	client.Path, client.Ipv6, client.Wait = a.get("--unix", ""), !a.has("--ipv4"), 2
	p.isIPv6 = client.Ipv6 && client.Path == ""
	a.set("--timeout", &client.Close)
	a.set("--wait", &client.Wait)
	a.setLimit("--max-message", &client.Limits.Message)
	a.setLimit("--max-data", &client.Limits.Data)
	client.NoClobber = a.has("--no-clobber")
	if err := p.placed(a, 1, &client.Port); err != nil {
		return err
	}
	if a.usesOutput() {
		if err := needOutput(); err != nil {
			return err
		}
	}
	if client.MessageFile = a.get("--message-file", ""); client.MessageFile == "-" {
		client.MessageFile = "/dev/stdout"
	}
	received := uint64(0)
	client.Progress = func(done, total uint64) {
		received = done
		p.progress(done, total)
	}
	var err error
	if output := a.get("--output", "-"); output == "-" {
		err = client.ReceiveTo(ctx, os.Stdout)
	} else {
		err = client.ReceiveFile(ctx, output)
	}
	if err != nil {
		return asTyped(a, err)
	}
	words := "received " + grouped(received) + " bytes"
	if client.Msg != "" {
		words += ", message " + shortened(client.Msg)
	}
	json := ""
	if p.json != nil { // a message may be long
		json = fmt.Sprintf(`{"ok":true,"received":%d,"message":%s}`, received, quoteASCII(client.Msg))
	}
	return p.say(words, json)
}

// asTyped calls standard output so where the library knows only its path.
func asTyped(a arguments, err error) error {
	var failed *kcom5.Error
	if a.get("--message-file", "") == "-" && errors.As(err, &failed) {
		if what := strings.TrimPrefix(failed.Detail, "/dev/stdout: "); what != failed.Detail {
			failed.Detail = "standard output: " + what
		}
	}
	return err
}
