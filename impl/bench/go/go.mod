module bench

go 1.19

require kcom5 v0.0.0

replace kcom5 => ../../go
