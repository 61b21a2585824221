using Vmm.Benchmarks;

switch (args)
{
    case ["interpreter", ..]:
        InterpreterBenchmark.Run();
        return 0;
    default:
        Console.Error.WriteLine("Usage: dotnet run -c Release --project tests/Vmm.Benchmarks -- interpreter");
        return 2;
}
