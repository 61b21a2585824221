Console.Error.WriteLine("benchmarks"); return 0;
