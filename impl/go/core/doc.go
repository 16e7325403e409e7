// Package core is KCOM5 without sockets: addresses, the bytes of the wire, error names, and the two state machines that
// turn bytes and events into actions. It does no I/O, reads no clock and sets nothing aside by a declared length.
// Spec: "Address", "Wire format", "States", "Results and errors".
package core
