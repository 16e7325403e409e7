// Package vectors loads the golden vectors for the tests: vectors/README.md. Its families are made members here; what
// is done with a vector is the tests' affair.
package vectors

// The members of a family of vectors.

import (
	"encoding/binary"
	"strconv"
	"strings"
)

var hello = Octets(func(nonce [3]byte) []byte { return append([]byte("KCOM5"), nonce[:]...) })

func members(e entry, of Vector) (all []Vector) {
	add := func(part string, change func(v *Vector)) {
		v := Vector{Data: fixed(nil), Times: 1, Outcome: Outcome{Data: fixed(nil)}}
		if e.Of != "" {
			v = of
		}
		v.ID = strings.NewReplacer("{k}", part, "{v}", part).Replace(e.ID)
		v.Rule, v.Role, v.Steps = e.Rule, e.Role, nil
		if v.Role == "client" {
			v.Steps = []Step{{Do: "expect", Octets: hello}}
		}
		change(&v)
		all = append(all, v)
	}
	do := func(v *Vector, name string) { v.Steps = append(v.Steps, Step{Do: name}) }
	send := func(v *Vector, octets Octets) { v.Steps = append(v.Steps, Step{Do: "send", Octets: octets}) }
	fails := func(v *Vector, name string, at int) {
		where := uint64(at)
		v.Outcome = Outcome{Error: name, At: &where}
	}
	switch e.Family {
	case "cut":
		for k := 1; k < len(of.sent([3]byte{})); k++ {
			k := k
			add(strconv.Itoa(k), func(v *Vector) {
				send(v, func(nonce [3]byte) []byte { return of.sent(nonce)[:k] })
				v.Steps = append(v.Steps, Step{Do: "pause", Word: "tick"})
				send(v, func(nonce [3]byte) []byte { return of.sent(nonce)[k:] })
				v.Steps = append(v.Steps, of.afterLastSends...)
			})
		}
	case "truncate":
		end, start := len(of.sent([3]byte{})), 1<<30
		if e.Octets > 0 {
			end = e.Octets
		}
		for key := range e.Errors {
			if at := number(key); at < start {
				start = at
			}
		}
		for k := start; k < end; k++ {
			k, best := k, -1
			for key := range e.Errors {
				if at := number(key); at <= k && at > best {
					best = at
				}
			}
			add(strconv.Itoa(k), func(v *Vector) {
				if k > 0 {
					send(v, func(nonce [3]byte) []byte { return of.sent(nonce)[:k] })
				}
				do(v, e.By)
				fails(v, e.Errors[strconv.Itoa(best)], k)
			})
		}
	case "flip":
		for k := 0; k < 8*e.Octets; k++ {
			k := k
			add(strconv.Itoa(k), func(v *Vector) {
				send(v, func(nonce [3]byte) []byte {
					octets := append([]byte(nil), of.sent(nonce)...)
					if e.Role == "client" {
						octets = octets[:k/8+1]
					}
					octets[k/8] ^= 1 << (k % 8)
					return octets
				})
				do(v, "expect-end")
				fails(v, "invalid-connection", k/8+1)
			})
		}
	case "length":
		for _, raw := range e.Values {
			var digits string
			decode(raw, &digits)
			length, err := strconv.ParseUint(digits, 10, 64)
			must(err)
			field := binary.LittleEndian.AppendUint64(make([]byte, 4), length)
			if e.Field == "message" {
				field = binary.LittleEndian.AppendUint32(nil, uint32(length))
			}
			add(digits, func(v *Vector) {
				send(v, concat(hello, fixed(field)))
				do(v, map[bool]string{true: "stall", false: "expect-end"}[e.Error == "timeout"])
				fails(v, e.Error, 8+len(field))
				if e.Error == "timeout" {
					one := 1
					v.Close = &one
				}
			})
		}
	case "message":
		for _, raw := range e.Values {
			var pair [2]string
			decode(raw, &pair)
			octets := fromHex(pair[1])
			length := binary.LittleEndian.AppendUint32(nil, uint32(len(octets)))
			frame := fixed(append(append(length, octets...), make([]byte, 8)...))
			add(pair[0], func(v *Vector) {
				if v.Role == "server" {
					v.Message = string(octets)
					if e.Error != "" {
						v.Outcome = Outcome{Error: e.Error}
						return
					}
					send(v, hello)
					v.Steps = append(v.Steps, Step{Do: "expect", Octets: concat(hello, frame)})
				} else {
					send(v, concat(hello, frame))
					v.Outcome.Message = string(octets)
				}
				do(v, "expect-end")
				if e.Error != "" {
					fails(v, e.Error, 12+len(octets))
				} else {
					do(v, "close")
				}
			})
		}
	default:
		panic("family " + e.Family)
	}
	return all
}
