package main

// The command line: which options there are, and what is wrong with a given one.

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// option is a word that starts with "--", and "-o". One without a value is a flag.
type option struct{ name, value, help string }

type command struct {
	name, operand, summary string
	options                []option
}

const sourceHelp = "SOURCE: - is standard input, env:NAME an environment variable, anything else a file."

var (
	jsonOption = option{"--json", "", "say it in JSON, one object a line"}
	helpOption = option{"--help", "", "show this"}
	commands   = []command{
		{"send", "[FILE|-]", "send a file, or standard input, to the first receiver that connects", []option{
			{"--port", "N", "listen on this port (13600; 0: the system chooses)"},
			{"--ipv4", "", "listen on 127.0.0.1 instead of ::1"},
			{"--unix", "PATH", "listen on a Unix-domain socket instead"},
			{"--address", "SOURCE", "take the port from an address"},
			{"--timeout", "SECONDS", "wait no longer than this (150; 0 or less: for ever)"},
			{"--message", "TEXT", "send this message too"},
			{"--message-file", "FILE", "send the message in this file"},
			jsonOption, helpOption}},
		{"receive", "", "receive from a sender, into a file or standard output", []option{
			{"--output", "FILE|-", "store the data here (-o; -: standard output, the default)"},
			{"--port", "N", "connect to this port (13600)"},
			{"--ipv4", "", "connect to 127.0.0.1 instead of ::1"},
			{"--unix", "PATH", "connect to a Unix-domain socket instead"},
			{"--address", "SOURCE", "take the port from an address"},
			{"--timeout", "SECONDS", "wait no longer than this (150; 0 or less: for ever)"},
			{"--message-file", "FILE", "store the message here"},
			{"--wait", "SECONDS", "keep trying while nobody listens (2; 0: fail at once)"},
			jsonOption, helpOption}},
		{"pack", "", "print the address of a port and a key", []option{
			{"--port", "N", "the port (13600)"},
			{"--key", "SOURCE", "the key in hexadecimal digits; white space is ignored (-)"},
			jsonOption, helpOption}},
		{"unpack", "[SOURCE]", "print the port and the key of an address", []option{jsonOption, helpOption}},
	}
)

// arguments is a command line: the values by the options' names, and the operand, if any.
type arguments struct {
	command
	values  map[string]string
	operand string
}

func (a arguments) has(name string) bool { _, found := a.values[name]; return found }

func (a arguments) get(name, otherwise string) string {
	if value, found := a.values[name]; found {
		return value
	}
	return otherwise
}

// number is an integer of ASCII digits; what an int cannot hold becomes the nearest one.
func (a arguments) number(name string, otherwise int) (int, error) {
	text, found := a.values[name]
	if !found {
		return otherwise, nil
	}
	number, err := strconv.ParseInt(text, 10, strconv.IntSize)
	if err != nil && !errors.Is(err, strconv.ErrRange) || strings.HasPrefix(text, "+") {
		return 0, usage(name + " takes an integer")
	}
	if number > math.MaxInt32 && name == "--port" {
		number = math.MaxInt32 // no port either, and the same on every machine
	}
	return int(number), nil
}

// usage is an error of the command line itself.
type usage string

func (u usage) Error() string { return string(u) }

func findCommand(name string) (command, error) {
	for _, command := range commands {
		if command.name == name {
			return command, nil
		}
	}
	return command{}, usage("there is no command " + quote(name) + ": the commands are send, receive, pack and unpack")
}

func parse(command command, words []string) (arguments, error) {
	a := arguments{command: command, values: map[string]string{}}
	operands := []string{}
	for len(words) > 0 {
		word := words[0]
		words = words[1:]
		if word == "--" {
			operands = append(operands, words...)
			break
		}
		if word == "-" || !strings.HasPrefix(word, "-") {
			operands = append(operands, word)
			continue
		}
		name, value, hasValue := strings.Cut(word, "=")
		if name == "-o" {
			name = "--output"
		}
		if name == "-h" {
			name = "--help"
		}
		option, found := command.find(name)
		switch {
		case !found:
			return a, usage("there is no option " + quote(name) + " of " + command.name)
		case option.value == "" && hasValue:
			return a, usage(name + " takes no value")
		case option.value != "" && !hasValue:
			if len(words) == 0 {
				return a, usage(name + " needs a value: " + option.value)
			}
			value, words = words[0], words[1:]
		}
		a.values[name] = value
	}
	if command.operand == "" && len(operands) > 0 || len(operands) > 1 {
		return a, usage(quote(operands[len(operands)-1]) + " is one argument too many")
	}
	if len(operands) == 1 {
		a.operand = operands[0]
	}
	for _, pair := range [][2]string{{"--unix", "--port"}, {"--unix", "--ipv4"}, {"--unix", "--address"},
		{"--address", "--port"}, {"--message", "--message-file"}} {
		if a.has(pair[0]) && a.has(pair[1]) {
			return a, usage(pair[0] + " and " + pair[1] + " exclude each other")
		}
	}
	if a.has("--unix") && a.values["--unix"] == "" {
		return a, usage("--unix needs a path")
	}
	if command.name == "send" && a.get("--address", "") == "-" && (a.operand == "" || a.operand == "-") {
		return a, usage("the data and the address cannot both come from standard input")
	}
	return a, nil
}

func (c command) find(name string) (option, bool) {
	for _, option := range c.options {
		if option.name == name {
			return option, true
		}
	}
	return option{}, false
}

func help() string {
	text := "usage: kcom5 [--version] [--help] COMMAND\n\n" +
		"Hands a message and a block of data to another program on this computer, once.\n\n"
	for _, command := range commands {
		text += "  " + pad(command.name, 10) + command.summary + "\n"
	}
	return text + "\n  " + pad("--version", 10) + "show the version\n  " + pad("--help", 10) +
		"show this; `kcom5 COMMAND --help` tells more\n\n" + exitCodes
}

const exitCodes = "Exit codes: 0 success, 2 wrong use, 3 transport, 4 protocol, 1 anything else, 130 and 143 interrupted.\n"

func (c command) help() string {
	text := "usage: kcom5 " + c.name + " [OPTIONS]"
	if c.operand != "" {
		text += " " + c.operand
	}
	text += "\n\n" + strings.ToUpper(c.summary[:1]) + c.summary[1:] + ".\n\n"
	for _, option := range c.options {
		text += "  " + pad(option.name+" "+option.value, 22) + option.help + "\n"
	}
	return text + "\n" + sourceHelp + "\n" + exitCodes
}

func pad(text string, width int) string {
	return text + strings.Repeat(" ", width-len(text))
}
