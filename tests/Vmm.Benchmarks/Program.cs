using Vmm.Benchmarks;
using Vmm.Benchmarks.Boot;
using Vmm.Benchmarks.GuestPrograms;
using Vmm.Benchmarks.Kvm;
using Vmm.Benchmarks.Life;
using Vmm.Benchmarks.Ports;

(string Name, string What, Action<Settings> Run)[] modes =
[
    ("start", "time from process start to the first guest instruction", StartBenchmark.Run),
    ("memory", "resident memory above the guest's RAM during a boot", MemoryBenchmark.Run),
    ("ports", "round trip of port and CPUID exits, and a device plugin's share of it", PortsBenchmark.Run),
    ("kvm-exit", "an exit to a device plugin on KVM, in three parts; left out where /dev/kvm does not answer", _ => KvmExitBenchmark.Run()),
    ("interpreter", "time a guest instruction takes in the interpreter", _ => InterpreterBenchmark.Run()),
    ("boot", "a boot of Linux beside QEMU TCG and Bochs", BootBenchmark.Run),
    ("programs", "guest programs beside the host itself and QEMU TCG; all, or those named", ProgramsBenchmark.Run),
];

try
{
    Settings settings = Settings.Parse(args);
    if (settings.Mode == "all")
    {
        foreach ((string name, _, Action<Settings> run) in modes)
        {
            Console.WriteLine($"\n== {name}");
            run(settings);
        }

        return 0;
    }

    if (Array.Find(modes, mode => mode.Name == settings.Mode) is { Run: { } chosen })
    {
        chosen(settings);
        return 0;
    }
}
catch (BenchmarkException e)
{
    Console.Error.WriteLine(e.Message);
    return 2;
}

Console.Error.WriteLine("Usage: dotnet run -c Release --project tests/Vmm.Benchmarks -- MODE [NAME...] [--rounds N] [--vmm PATH] [--engine-option K=V] [--vmm-args \"...\"]\n");
foreach ((string name, string what, _) in modes)
{
    Console.Error.WriteLine($"  {name,-12} {what}");
}

Console.Error.WriteLine($"  {"all",-12} all of them");
return 2;
