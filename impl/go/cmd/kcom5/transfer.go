package main

// The commands send and receive.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"kcom5"
	"kcom5/compat"
)

// placed sets the port from the command line, or from an address, which is not shown.
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
	port, t := kcom5.DefaultPort, 150
	a.set("--timeout", &t)
	if err := p.placed(a, 0, &port); err != nil {
		return err
	}
	server := kcom5.Server{Port: compat.Port(port), IPv4: a.has("--ipv4"), Path: a.get("--unix", ""),
		Timeout: compat.Timeout(t), Message: a.get("--message", ""), SpoolDir: a.get("--spool-dir", ""), Progress: p.progress}
	p.isIPv6 = !server.IPv4 && server.Path == ""
	if a.has("--message-file") {
		message, err := readMessage(a.values["--message-file"])
		if err != nil {
			return err
		}
		server.Message = message
	}
	server.Listening = func(port int) {
		words, json := "[::1]:"+fmt.Sprint(port), fmt.Sprint(port)
		switch {
		case server.Path != "":
			words, json = visible(server.Path), quoteASCII(server.Path)
		case server.IPv4:
			words = "127.0.0.1:" + fmt.Sprint(port)
		}
		p.say("listening on "+words, `{"listening":`+json+`}`)
	}
	var sent kcom5.Sent
	var err error
	if a.operand != "" && a.operand != "-" {
		sent, err = server.SendFile(ctx, a.operand)
		err = guarded(a.operand, err)
	} else if err = needInput(); err == nil {
		sent, err = server.SendFrom(ctx, os.Stdin, -1)
	}
	if err != nil {
		return err
	}
	words := "sent " + grouped(sent.Size) + " bytes, confirmed"
	if !sent.Confirmed {
		words = "sent " + grouped(sent.Size) + " bytes, not confirmed: the client had ended its sending side early"
	}
	return p.say(words, fmt.Sprintf(`{"ok":true,"sent":%d,"confirmed":%v}`, sent.Size, sent.Confirmed))
}

func receive(ctx context.Context, p *program, a arguments) error {
	port, t, wait, limits := kcom5.DefaultPort, 150, 2, kcom5.DefaultLimits()
	a.set("--timeout", &t)
	a.set("--wait", &wait)
	a.setLimit("--max-message", &limits.Message)
	a.setLimit("--max-data", &limits.Data)
	if err := p.placed(a, 1, &port); err != nil {
		return err
	}
	client := kcom5.Client{Port: port, IPv4: a.has("--ipv4"), Path: a.get("--unix", ""), Timeout: compat.Timeout(t),
		Limits: &limits, Wait: time.Duration(wait) * time.Second, NoClobber: a.has("--no-clobber")}
	p.isIPv6 = !client.IPv4 && client.Path == ""
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
	if client.Message != "" {
		words += ", message " + shortened(client.Message)
	}
	json := ""
	if p.json != nil { // a message may be long
		json = fmt.Sprintf(`{"ok":true,"received":%d,"message":%s}`, received, quoteASCII(client.Message))
	}
	return p.say(words, json)
}

// asTyped names standard output as the user typed it, where the library knows only its path.
func asTyped(a arguments, err error) error {
	var failed *kcom5.Error
	if a.get("--message-file", "") == "-" && errors.As(err, &failed) {
		if what := strings.TrimPrefix(failed.Detail, "/dev/stdout: "); what != failed.Detail {
			failed.Detail = "standard output: " + what
		}
	}
	return err
}
