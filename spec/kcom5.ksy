# What a KCOM5 server writes: echo and frame. A cross-check of kcom5.md, not normative: see "Wire format" there.
# Kaitai Struct takes ill-formed UTF-8 in some languages, has no limits, and reads from memory: it is no client.
meta:
  id: kcom5_stream
  title: KCOM5, from server to client
  license: MIT
  endian: le
seq:
  - id: echo
    type: hello
  - id: frame
    type: frame
types:
  hello:
    seq:
      - id: magic
        contents: KCOM5
      - id: nonce
        size: 3
  frame:
    seq:
      - id: message_length
        type: u4
      - id: message
        size: message_length
        type: str
        encoding: UTF-8
      - id: data_length
        type: u8
      - id: data
        size: data_length
