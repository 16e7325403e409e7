package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"kcom5"
)

func TestATargetThatCannotBeWrittenIsIOAndNobodyIsConnectedTo(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	port := fmt.Sprint(listener.Addr().(*net.TCPAddr).Port)
	directory := t.TempDir()
	nowhere, good := filepath.Join(directory, "none", "file"), filepath.Join(directory, "good")
	for _, words := range [][]string{
		{"-o", nowhere},
		{"-o", directory},
		{"--message-file", nowhere},
		{"--message-file", directory},
		{"-o", nowhere, "--message-file", good},
		{"-o", good, "--message-file", nowhere},
	} {
		speaker := newSpeaker()
		said, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		defer said.Close()
		speaker.json = said
		program := &program{speaker: speaker}
		err = program.run(context.Background(), append([]string{"receive", "--ipv4", "--port", port}, words...))
		if code := program.fail(err); code != 3 {
			t.Errorf("%v: exit code %d", words, code)
		}
		text, _ := os.ReadFile(said.Name())
		if want := `{"error":"io",`; len(text) < len(want) || string(text[:len(want)]) != want {
			t.Errorf("%v: %s", words, text)
		}
	}
	// Whoever connected before would be first.
	own, err := net.Dial("tcp4", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	first, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if first.RemoteAddr().String() != own.LocalAddr().String() {
		t.Error("somebody has connected")
	}
	if entries, err := os.ReadDir(directory); err != nil || len(entries) != 0 {
		t.Error("something is left: ", entries, err)
	}
}

func TestAnInterruptionLeavesNoFileAlsoWhileNobodyReadsTheOutput(t *testing.T) {
	server := kcom5.Server{Port: kcom5.AnyPort}
	port, err := server.Open(context.Background())
	if errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Skip("NOT RUN:", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	sent := make(chan error, 1)
	go func() {
		_, err := server.Send(context.Background(), make([]byte, 8<<20))
		sent <- err
	}()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	defer writer.Close()
	defer func(stdout *os.File) { os.Stdout = stdout }(os.Stdout)
	os.Stdout = writer
	directory := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	program := &program{speaker: newSpeaker()}
	go func() {
		ended <- program.run(ctx, []string{"receive", "--port", fmt.Sprint(port), "--message-file", filepath.Join(directory, "m")})
	}()
	if _, err := reader.Read(make([]byte, 1)); err != nil { // it writes, and there is more than the pipe takes
		t.Fatal(err)
	}
	cancel()
	entries := []os.DirEntry{nil}
	for end := time.Now().Add(20 * time.Second); len(entries) > 0 && time.Now().Before(end); {
		if entries, err = os.ReadDir(directory); err != nil {
			t.Fatal(err)
		}
	}
	if len(entries) > 0 {
		t.Error("a file is left: ", entries)
	}
	err = <-ended // although nobody reads
	if fate := program.fate(err); !strings.HasSuffix(fate, " bytes were written to standard output, which is not the whole") {
		t.Error(fate, err)
	}
	if <-sent == nil {
		t.Error("the server does not know")
	}
}
