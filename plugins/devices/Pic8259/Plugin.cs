using Vmm.Sdk;

[assembly: VmmPlugin("vmm.pic-8259", Description = "The pair of 8259A interrupt controllers of a PC")]
