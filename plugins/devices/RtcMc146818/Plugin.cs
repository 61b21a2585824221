using Vmm.Sdk;

[assembly: VmmPlugin("vmm.rtc-mc146818", Description = "MC146818 real-time clock with CMOS memory")]
