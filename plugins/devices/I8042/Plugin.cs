using Vmm.Sdk;

[assembly: VmmPlugin("vmm.i8042", Description = "i8042 keyboard controller with PS/2 keyboard and mouse")]
