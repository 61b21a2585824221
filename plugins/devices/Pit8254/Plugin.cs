using Vmm.Sdk;

[assembly: VmmPlugin("vmm.pit-8254", Description = "8254 programmable interval timer with the PC's speaker gate")]
