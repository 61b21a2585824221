Console.Error.WriteLine("vmm"); return 0;
