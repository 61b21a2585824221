using Vmm.Sdk;

[assembly: VmmPlugin("vmm.ioapic", Description = "I/O APIC with 24 pins")]
