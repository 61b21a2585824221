using Vmm.Sdk;

[assembly: VmmPlugin("vmm.uart-16550", Description = "16550A serial port")]
