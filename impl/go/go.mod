module kcom5

go 1.19
