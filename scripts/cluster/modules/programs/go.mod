module sluice.dev/cluster/programs

go 1.26.0
